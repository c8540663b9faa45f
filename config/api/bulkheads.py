"""Bulkheads: requests that may occupy only a part of the threads of a web process."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from django.conf import settings
from rest_framework.exceptions import APIException

STUCK_AFTER = 1.0  # seconds
RENDERING_SLOTS = 2  # of a web process, which has one processor


class Busy(APIException):
    """The request waited too long for the database, or too many requests of the organization, calls
    to gateways and carriers, or documents, are in progress. Nothing was done: retry after
    `Retry-After` seconds.
    """

    status_code = 503
    default_detail = "The service is busy. Try again in a moment."
    default_code = "busy"
    wait = 1


class Bulkhead:
    """A number of slots for each name.

    A request for which none is free waits while the others have run for less than STUCK_AFTER
    seconds. Otherwise it is refused at once, because its thread would wait with theirs.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._started = defaultdict[str, list[float]](list)

    @contextmanager
    def slot(self, name: str, *, of: int) -> Iterator[None]:
        """Take one of the `of` slots during the block; 0: there is no limit. Raises Busy."""
        with self._changed:
            while 0 < of <= len(self._started[name]):
                remaining = min(self._started[name]) + STUCK_AFTER - time.monotonic()
                if remaining <= 0:
                    raise Busy
                self._changed.wait(remaining)
            started = time.monotonic()
            self._started[name].append(started)
        try:
            yield
        finally:
            with self._changed:
                self._started[name].remove(started)
                if not self._started[name]:
                    del self._started[name]
                self._changed.notify_all()


_organizations = Bulkhead()
_outbound = Bulkhead()
_rendering = Bulkhead()


@contextmanager
def request_of(organization_id: str) -> Iterator[None]:
    """Hold one of the organization's API_ORGANIZATION_SLOTS during the block. Raises Busy."""
    with _organizations.slot(organization_id, of=settings.API_ORGANIZATION_SLOTS):
        yield


@contextmanager
def outbound_call_of(organization_id: str) -> Iterator[None]:
    """Hold one of the API_OUTBOUND_SLOTS during the block. Raises Busy.

    An organization gets all but one, so that those whose gateway responds can still be paid.
    """
    slots = settings.API_OUTBOUND_SLOTS
    own = slots - 1 if slots > 1 else slots
    with _outbound.slot(organization_id, of=own), _outbound.slot("", of=slots):
        yield


@contextmanager
def rendering_of(organization_id: str) -> Iterator[None]:
    """Hold one of the RENDERING_SLOTS during the block, which computes a document. Raises Busy.

    A long document takes the processor for seconds, so an organization has one slot.
    """
    with _rendering.slot(organization_id, of=1), _rendering.slot("", of=RENDERING_SLOTS):
        yield
