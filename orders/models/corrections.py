"""How an order is corrected, or takes the place of another one."""

from typing import Any

from django.db import models

from events.aggregate import Aggregate, transition
from events.schema import Event
from orders import events
from orders.models.choices import Status


class Correctable(Aggregate):
    """What an order has for the order or the return that it replaces, and for its replacement."""

    replaces = models.ForeignKey("orders.Order", models.PROTECT, null=True, related_name="+")
    replaced_by = models.ForeignKey("orders.Order", models.PROTECT, null=True, related_name="+")
    exchanges = models.CharField(max_length=64, null=True)  # the return whose refund pays it

    class Meta:
        abstract = True

    @transition(
        source=(Status.PENDING, Status.PLACED, Status.PAID, Status.CONFIRMED, Status.PROCESSING),
        target=None,
        emits=events.OrderCorrected,
        verb="correct",
    )
    def correct(self, **columns: Any) -> Event:
        """Correct addresses, the e-mail address, references, notes or metadata of the order."""
        for name, value in columns.items():
            setattr(self, name, value)
        return events.OrderCorrected.of(self, fields=sorted(columns))

    @transition(
        source=(Status.PLACED, Status.PAID, Status.CONFIRMED),
        target=None,
        emits=events.OrderTookPlace,
    )
    def take_place(self) -> Event:
        """Take the place of the order that it replaces, which is cancelled: take over its money."""
        return events.OrderTookPlace.of(self, replaces=self.replaces_id)
