"""Revoked tokens. Each process reads the table every few seconds, not with every request."""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from django.conf import settings
from django.utils import timezone

from config.api.models import Revocation

DELAY = 5.0  # seconds until all processes know of a revocation


class Revocations:
    """The rows of the table, as of the last reading."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.forget()

    def forget(self) -> None:
        """Read the table at the next check."""
        self._read_at = -DELAY
        self._tokens = frozenset[tuple[str, str]]()
        self._subjects: dict[tuple[str, str], datetime] = {}

    def include(self, claims: Mapping[str, Any]) -> bool:
        """Return whether a token with these claims is revoked."""
        self._refresh()
        organization_id = claims["organization_id"]
        if (organization_id, claims.get("jti")) in self._tokens:
            return True
        revoked_at = self._subjects.get((organization_id, claims["sub"]))
        if revoked_at is None:
            return False
        # A token that does not say when it was issued may be older.
        return datetime.fromtimestamp(claims.get("iat", 0), UTC) <= revoked_at

    def _refresh(self) -> None:
        if time.monotonic() - self._read_at < DELAY or not self._lock.acquire(blocking=False):
            return
        try:
            self._take(Revocation.objects.all())
            self._read_at = time.monotonic()
        finally:
            self._lock.release()

    def _take(self, rows: Iterable[Revocation]) -> None:
        tokens, subjects = set(), {}
        for row in rows:
            if row.jti is not None:
                tokens.add((row.organization_id, row.jti))
            else:
                subjects[row.organization_id, str(row.subject)] = row.revoked_at
        self._tokens, self._subjects = frozenset(tokens), subjects


revocations = Revocations()


def revoke(*, organization_id: str, jti: str | None = None, subject: str | None = None) -> None:
    """Refuse the token with this `jti`, or all tokens of a subject that were issued until now.

    Processes know of it after at most `DELAY` seconds.
    """
    now = timezone.now()
    until = now + timedelta(seconds=settings.JWT_MAX_LIFETIME)
    Revocation.objects.update_or_create(
        organization_id=organization_id,
        jti=jti,
        subject=subject,
        defaults={"revoked_at": now, "expires_at": until},
    )
    revocations.forget()
