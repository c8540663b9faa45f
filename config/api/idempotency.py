"""A POST that is sent twice is done once.

Claim, work and answer are one transaction: a process that dies in between leaves nothing, and a
twin waits for the claim's row in the unique index.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import OperationalError, connection, transaction
from django.utils import timezone
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import is_success

from config.api.authentication import caller_of
from config.api.models import IdempotencyRecord
from config.core.exceptions import Conflict, DomainError

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
WAIT = "5s"  # of a twin, for the first to finish
KEY = re.compile(r"^[!-~]{1,255}$")
_LOCK_NOT_AVAILABLE = "55P03"  # SQLSTATE


class KeyRequired(APIException):
    """Money moves, so a repeat must be recognizable."""

    status_code = 400
    default_detail = f"Send an {HEADER} header: this must not happen twice by mistake."
    default_code = "idempotency_key_required"


class KeyReused(DomainError):
    """A client that reuses keys would take the answer to something else for its own."""

    code = "idempotency_key_reused"


class InProgress(Conflict):
    """The first request with this key has not been answered yet."""

    code = "in_progress"
    wait = 1  # seconds, for Retry-After


def key_of(request: Request) -> str | None:
    """Return the request's key, or None. Raises ValidationError for a malformed one."""
    key = request.headers.get(HEADER)
    if key is not None and not KEY.fullmatch(key):
        raise ValidationError({HEADER: ["1 to 255 visible ASCII characters are accepted."]})
    return key


def run(handler: Callable[..., Response], request: Request, *args: Any, **kwargs: Any) -> Response:
    """Answer the request with `handler`, or with what it answered to the first of its twins.

    Only success is remembered: a refusal is judged anew when the request is repeated.
    """
    key = key_of(request)
    if key is None:
        return handler(request, *args, **kwargs)
    with transaction.atomic():
        claim = _claim(request, key)
        if claim.status is not None:
            return _replay(claim, _fingerprint(request))
        response = handler(request, *args, **kwargs)
        if is_success(response.status_code):
            claim.status = response.status_code
            claim.body = JSONRenderer().render(response.data).decode()
            claim.save(update_fields=["status", "body"])
        else:
            transaction.set_rollback(True)
        return response


def _claim(request: Request, key: str) -> IdempotencyRecord:
    """Return our own new record, or the answered one of a twin."""
    caller = caller_of(request)
    identity = {
        "organization_id": caller.organization_id,
        "subject": caller.subject,
        "method": request.method,
        "path": request.path,
        "key": key,
    }
    records = IdempotencyRecord.objects.filter(**identity)
    with _impatient():
        records.filter(created_at__lt=timezone.now() - KEPT).delete()
        while True:
            claim = IdempotencyRecord(**identity, fingerprint=_fingerprint(request))
            IdempotencyRecord.objects.bulk_create([claim], ignore_conflicts=True)
            # It may be gone again: the task that deletes old records does not wait for us.
            if record := records.first():
                return record


@contextmanager
def _impatient() -> Iterator[None]:
    """Wait only so long for a lock; what the work itself waits for is not shortened."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout')")
        (before,) = cursor.fetchone()
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [WAIT])
        try:
            yield
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
                raise InProgress("The first request with this key is still at work.") from error
            raise
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [before])


def _fingerprint(request: Request) -> str:
    """What was asked, and for whom; the order and spacing of the JSON do not matter."""
    asked = json.dumps([caller_of(request).actor, request.data], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()


def _replay(record: IdempotencyRecord, fingerprint: str) -> Response:
    if record.fingerprint != fingerprint:
        raise KeyReused("This key came with another body before. Use a new key.")
    return Response(
        json.loads(record.body) if record.body else None,
        status=record.status,
        headers={"Idempotent-Replayed": "true"},
    )
