"""A repeated POST with the same Idempotency-Key is executed once.

The record, the work and the response are one transaction: a process that dies leaves nothing. A
concurrent request with the same key waits for the record in the unique index.
"""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, transaction
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
from config.core.unit_of_work import unit_of_work

HEADER = "Idempotency-Key"
# One statement inserts the record, or waits for an earlier one and returns that. A record that is
# older than `retention` begins anew; the task that deletes it may not have come by.
_COLUMNS = [field.attname for field in IdempotencyRecord._meta.concrete_fields]
_RENEWED = [name for name in _COLUMNS if name in ("fingerprint", "status", "created_at")]
_CLAIM = (
    f"INSERT INTO api_idempotencyrecord AS old ({', '.join(_COLUMNS)})"
    f" VALUES ({', '.join(['%s'] * len(_COLUMNS))})"
    " ON CONFLICT (organization_id, subject, method, path, key) DO UPDATE SET "
    + ", ".join(
        f"{name} = CASE WHEN old.created_at < %s THEN excluded.{name} ELSE old.{name} END"
        for name in _RENEWED
    )
    + f" RETURNING {', '.join(_COLUMNS)}"
)
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

    Everything is one unit of work. Only successful responses are stored: a repeated request that
    failed is executed again.
    """
    key = key_of(request) if request.method == "POST" else None
    with unit_of_work():
        claim = _claim(request, key) if key else None
        if claim and claim.status is not None:
            return _replay(claim, _fingerprint(request))
        response = handler(request, *args, **kwargs)
        if not is_success(response.status_code):
            transaction.set_rollback(True)
        elif claim:
            IdempotencyRecord.objects.filter(pk=claim.pk).update(
                status=response.status_code,
                body=JSONRenderer().render(response.data).decode(),
                stream=_stream(response.data),
            )
        return response


def _stream(data: Any) -> str:
    """Return the id of the order or cart that a response is about, if it is about one."""
    row = data if isinstance(data, dict) else {}
    return str(row.get("order_id") or row.get("id") or "")


def _claim(request: Request, key: str) -> IdempotencyRecord:
    """Return the record of the request; one that is repeated has the status of its response.

    It waits while an earlier request with the key is in progress, as long as for any lock.
    """
    caller, now = caller_of(request), timezone.now()
    record = IdempotencyRecord(
        organization_id=caller.organization_id,
        subject=caller.identity,
        method="POST",
        path=request.path,
        key=key,
        fingerprint=_fingerprint(request),
        created_at=now,
    )
    fields = record._meta.concrete_fields
    values = [
        field.get_db_prep_save(getattr(record, field.attname), connection) for field in fields
    ]
    expired = connection.ops.adapt_datetimefield_value(now - retention())
    try:
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM, [*values, *[expired] * len(_RENEWED)])
            row = cursor.fetchone()
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            raise InProgress(
                "The first request with this Idempotency-Key is still in progress."
            ) from error
        raise
    return IdempotencyRecord.from_db(DEFAULT_DB_ALIAS, [field.attname for field in fields], row)


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
