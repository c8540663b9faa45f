"""Calls to the outside world: payment gateways, carriers, the mail server, the file storage.

A call is never made inside a transaction. The row that needs it is the intent: `OutboundCall` adds
to its model when the next call is due and which caller is making it. The context decides what to
call and what to do with the result:

1. Request. A service calls `row.request_call(now)` and saves. A `post_save` receiver enqueues a
   Celery task for a row with `due_at` and no `calls`; a view may also make the call itself.
2. Lease. In one transaction, with the row locked: stop unless `row.is_callable(now)`, else
   `lease = row.lease(now, duration)`, build the request from the row, and save. `duration` must be
   longer than the call can take. A caller that is killed keeps the lease until it expires; then
   the timer repeats the call, so the request needs an idempotency key that stays the same.
3. Call, outside any transaction.
4. Record. In a second transaction, with the row locked again: apply the result to the aggregate.
   `row.release(lease)` returns False if another caller has leased the row since, or if a new
   call was requested: then the row must not be rescheduled. Otherwise end with one of
   `row.schedule_retry(now, error)` (no response, or there is more to learn),
   `row.request_call(now, after=…)` (a poll that repeats) and `row.finish_call()` (nothing is left
   to call about).

A task that beat starts passes the rows that are due to `call_due`. Its query filters by
`is_due(now)`, which leaves a new request to the callers of step 1 for `GRACE_PERIOD`; a context
whose calls are made by that task only filters by `due_at__lte=now`.

Organizations take turns, and the calls of one occupy only some threads of a worker: neither the
amount of its work nor a server that does not respond keeps the others waiting.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db import models
from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import Now, RowNumber

from config.core.retry import back_off

logger = logging.getLogger(__name__)

GRACE_PERIOD = timedelta(seconds=5)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(hours=1)
BATCH_SIZE = 100  # calls in one run
SCAN_LIMIT = 5_000  # rows that one run looks at, including those of accounts that do not respond
TIME_SLICE = 5.0  # seconds of one run, after which the turns begin again, with new rows
ORGANIZATION_SLOTS = 3  # calls of an organization at once, in a process
# `skipped`: no call is due, or another caller makes it. `failed`: for a reason of this row only.
Outcome = Literal["done", "skipped", "failed", "no_response"]
UPDATE_FIELDS = ("due_at", "leased_until", "calls", "last_error")


class OutboundCall(models.Model):
    """A row that is the intent of calls to the outside world."""

    due_at = models.DateTimeField(null=True)  # of the next call; null if there is none
    leased_until = models.DateTimeField(null=True)  # a caller is making the call until then
    calls = models.PositiveIntegerField(default=0)  # since the latest request
    last_error = models.CharField(max_length=500, default="")

    class Meta:
        abstract = True

    def request_call(self, now: datetime, *, after: timedelta = timedelta()) -> None:
        """Make a call due. A call that is running already does not reschedule it."""
        self.due_at, self.leased_until, self.calls = now + after, None, 0

    def is_leased(self, now: datetime) -> bool:
        """Whether a caller is making the call, or was killed less than a lease ago."""
        return self.leased_until is not None and self.leased_until > now

    def is_callable(self, now: datetime) -> bool:
        """Whether a call is due that no other caller is making.

        A new request may come from a host whose clock is ahead by less than GRACE_PERIOD.
        """
        latest = now if self.calls else now + GRACE_PERIOD
        return self.due_at is not None and self.due_at <= latest and not self.is_leased(now)

    def lease(self, now: datetime, duration: timedelta) -> datetime:
        """Lease the row to a caller and return the lease, for `release`."""
        self.calls += 1
        self.due_at = self.leased_until = now + duration
        return self.leased_until

    def release(self, lease: datetime) -> bool:
        """End the lease; return False if the row is not leased to this caller any more."""
        if self.leased_until != lease:
            return False
        self.leased_until = None
        return True

    def schedule_retry(
        self,
        now: datetime,
        error: str = "",
        *,
        first: timedelta = FIRST_PAUSE,
        longest: timedelta = LONGEST_PAUSE,
    ) -> None:
        """Repeat the call after a pause, which doubles with each call since the request."""
        repeats = max(self.calls - 1, 0)
        self.due_at = now + back_off(repeats, first=first, longest=longest)
        self.leased_until, self.last_error = None, error[:500]

    def finish_call(self, error: str = "") -> None:
        """Call no more until the next request."""
        self.due_at = self.leased_until = None
        self.last_error = error[:500]


def is_due(now: datetime | Now) -> Q:
    """Return which rows the timer calls at `now`."""
    return Q(due_at__lte=now) & (Q(calls__gt=0) | Q(due_at__lte=now - GRACE_PERIOD))


_calls = Counter[str]()  # in progress, by organization
_changing = threading.Lock()


@contextmanager
def slot(organization_id: str) -> Iterator[bool]:
    """Take one of the organization's slots during the block, or yield False if none is free."""
    with _changing:
        is_free = _calls[organization_id] < ORGANIZATION_SLOTS
        _calls[organization_id] += is_free
    try:
        yield is_free
    finally:
        with _changing:
            _calls[organization_id] -= is_free
            if not _calls[organization_id]:
                del _calls[organization_id]


def in_turns(rows: QuerySet[Any, Any], organization: str) -> QuerySet[Any, Any]:
    """Order rows that are due: the longest due of each organization, then the second of each, …

    `organization` is the path to the organization's id.
    """
    turn = Window(RowNumber(), partition_by=F(organization), order_by="due_at")
    return rows.order_by(turn, "due_at")


def call_due(
    rows: QuerySet[Any, Any],
    call: Callable[[str], Outcome],
    *,
    limit: int = BATCH_SIZE,
    time_slice: float = TIME_SLICE,
) -> int:
    """Make the calls that are due; return how many rows were called, without the failed ones.

    `rows` yields the id of each row, its organization, and the account that its call goes to.
    After `no_response` the run leaves out the other rows of the account. A row whose organization
    has no free slot waits for a later run. An exception is logged and does not keep the other rows
    waiting. The run ends after `limit` called rows or `time_slice` seconds.
    """
    called, silent, end = 0, set(), time.monotonic() + time_slice
    for row_id, organization_id, *account in rows[:SCAN_LIMIT]:
        if called == limit or time.monotonic() >= end:
            break
        if tuple(account) in silent:
            continue
        try:
            with slot(organization_id) as is_free:
                outcome = call(row_id) if is_free else "skipped"
        except Exception:
            logger.exception("The outbound call for %s failed", row_id)
        else:
            called += outcome in ("done", "no_response")
            if outcome == "no_response":
                silent.add(tuple(account))
    return called
