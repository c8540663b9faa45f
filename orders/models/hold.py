"""Holds: what stops an order from being sent until someone decides."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models

from config.core import request_context
from events.aggregate import Aggregate, transition
from events.schema import Event
from orders import events
from orders.exceptions import OrderOnHold
from orders.models.choices import HoldReason, Status

if TYPE_CHECKING:
    from orders.models.order import Order


def has_unshipped_units(order: "Order") -> bool:
    """some units have not been shipped"""
    return any(line.unshipped_quantity for line in order.lines)


class Hold(Aggregate):
    """The part of an order that says whether it is on hold, since when, and why."""

    hold_reason = models.CharField(max_length=16, choices=HoldReason.choices, null=True)
    hold_note = models.CharField(max_length=500, default="")
    held_by = models.CharField(max_length=150, null=True)
    held_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    @property
    def hold_summary(self) -> str:
        """The reason for the hold, and its note."""
        return ": ".join(filter(None, (self.hold_reason, self.hold_note)))

    def expect_not_held(self, aggregate: Aggregate) -> None:
        """Raise OrderOnHold. `aggregate` is the one that the request would change."""
        if self.is_held():
            raise OrderOnHold(
                f"{self.pk} is on hold ({self.hold_summary}). It can go on once it is released.",
                allowed_actions=aggregate.allowed_actions(),
            )

    # Guards. Their docstrings complete "it needs that …".

    def is_held(self) -> bool:
        """the order is on hold"""
        return self.held_at is not None

    def is_not_held(self) -> bool:
        """the order is not on hold"""
        return self.held_at is None

    @transition(
        source=[status for status in Status if status not in ("delivered", "cancelled")],
        target=None,
        emits=events.OrderHeld,
        verb="hold",
        guards=[is_not_held, has_unshipped_units],
    )
    def hold(self, *, reason: str, note: str, at: datetime) -> Event:
        """Put the order on hold: nothing is picked, packed, labeled or dispatched meanwhile."""
        self.hold_reason, self.hold_note = reason, note
        self.held_by, self.held_at = request_context.current().actor, at
        return events.OrderHeld.of(self, reason=reason, note=note)

    @transition(
        source=[status for status in Status if status != "cancelled"],
        target=None,
        emits=events.OrderReleased,
        verb="release",
        guards=[is_held],
    )
    def release(self) -> Event:
        """Release the order from hold, so that its units can be sent."""
        self.hold_reason, self.hold_note, self.held_by, self.held_at = None, "", None, None
        return events.OrderReleased.of(self, released_by=request_context.current().actor)
