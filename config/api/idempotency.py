"""A repeated POST with the same Idempotency-Key is executed once.

The record, the work and the response are one transaction: a process that dies leaves nothing. A
concurrent request with the same key waits for the record in the unique index.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
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
from config.core.locks import LOCK_NOT_AVAILABLE

HEADER = "Idempotency-Key"
WAIT = "5s"  # for the first request with the same key
KEY = re.compile(r"^[!-~]{1,255}$")


class KeyRequired(APIException):
    """The operation requires an `Idempotency-Key` header, since a repetition would do harm."""

    status_code = 400
    default_detail = f"Send an {HEADER} header, so that a repeated request is not executed twice."
    default_code = "idempotency_key_required"


class KeyReused(DomainError):
    """The `Idempotency-Key` was already used with a different request body."""

    code = "idempotency_key_reused"
    example = "This Idempotency-Key was already used with a different request body."


class InProgress(Conflict):
    """The first request with this `Idempotency-Key` is still in progress."""

    code = "in_progress"
    example = "The first request with this Idempotency-Key is still in progress."
    wait = 1  # seconds, for Retry-After


def retention() -> timedelta:
    """Return for how long a response is stored."""
    return timedelta(hours=settings.IDEMPOTENCY_KEEP_HOURS)


def key_of(request: Request) -> str | None:
    """Return the request's key, or None. Raises ValidationError for a malformed one."""
    key = request.headers.get(HEADER)
    if key is not None and not KEY.fullmatch(key):
        raise ValidationError({HEADER: ["1 to 255 visible ASCII characters are accepted."]})
    return key


def run(handler: Callable[..., Response], request: Request, *args: Any, **kwargs: Any) -> Response:
    """Return the response of `handler`, or the stored response of an earlier request.

    Only successful responses are stored. A repeated request that failed is executed again.
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
            claim.stream = _stream(response.data)
            claim.save(update_fields=["status", "body", "stream"])
        else:
            transaction.set_rollback(True)
        return response


def _stream(data: Any) -> str:
    """Return the id of the order or cart that a response is about, if it is about one."""
    row = data if isinstance(data, dict) else {}
    return str(row.get("order_id") or row.get("id") or "")


def _claim(request: Request, key: str) -> IdempotencyRecord:
    """Return a new record, or the record of an earlier request with the key."""
    caller = caller_of(request)
    identity = {
        "organization_id": caller.organization_id,
        "subject": caller.identity,
        "method": request.method,
        "path": request.path,
        "key": key,
    }
    records = IdempotencyRecord.objects.filter(**identity)
    with _impatient():
        records.filter(created_at__lt=timezone.now() - retention()).delete()
        while True:
            claim = IdempotencyRecord(**identity, fingerprint=_fingerprint(request))
            IdempotencyRecord.objects.bulk_create([claim], ignore_conflicts=True)
            # The task that deletes old records may have deleted the existing one.
            if record := records.first():
                return record


@contextmanager
def _impatient() -> Iterator[None]:
    """Limit the time that the claim waits for a lock, not that of the work itself."""
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
            if getattr(error.__cause__, "sqlstate", None) == LOCK_NOT_AVAILABLE:
                raise InProgress(
                    "The first request with this Idempotency-Key is still in progress."
                ) from error
            raise
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [before])


def _fingerprint(request: Request) -> str:
    """Return a hash of the actor and the body; order and spacing of the JSON do not matter."""
    content = json.dumps([caller_of(request).actor, request.data], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _replay(record: IdempotencyRecord, fingerprint: str) -> Response:
    if record.fingerprint != fingerprint:
        raise KeyReused("This Idempotency-Key was already used with a different request body.")
    return Response(
        json.loads(record.body) if record.body else None,
        status=record.status,
        headers={"Idempotent-Replayed": "true"},
    )
