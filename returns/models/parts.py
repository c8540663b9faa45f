"""What a return is made of. Each part is saved by the return that it belongs to."""

from decimal import Decimal
from functools import cached_property

from django.db import models
from django.db.models import F, Q

from config.core.ids import PublicIdField
from config.core.money import MoneyField
from events.aggregate import Part


class ReturnItem(Part):
    """Units of one of the order's lines that come back; the counters say how many have."""

    id = PublicIdField("rit")
    return_request = models.ForeignKey("returns.Return", models.PROTECT, related_name="items")
    order_item = models.ForeignKey("orders.OrderItem", models.PROTECT, related_name="+")
    position = models.PositiveIntegerField()
    variant_id = models.CharField(max_length=64)
    title = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField()
    reason = models.CharField(max_length=200, null=True)
    units = models.JSONField()  # the numbers of the line's units that it stands for, from 1
    value = MoneyField()  # what was paid for these units
    received = models.PositiveIntegerField(default=0)
    accepted = models.PositiveIntegerField(default=0)
    accepted_value = MoneyField(default=Decimal(0))

    UPDATE_FIELDS = ("received", "accepted", "accepted_value")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["return_request", "order_item"], name="one_item_per_return_and_line"
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, received__lte=F("quantity"))
                & Q(accepted__lte=F("received")),
                name="return_item_counts_no_unit_twice",
            ),
            models.CheckConstraint(
                condition=Q(accepted_value__gte=0, accepted_value__lte=F("value")),
                name="return_item_value",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.variant_id}"

    @property
    def outstanding(self) -> int:
        """Units that have yet to come."""
        return self.quantity - self.received

    def count(self, quantity: int, *, accepted: bool) -> None:
        """Count units that have come; the first ones of those that were accepted are paid for."""
        self.received += quantity
        self.accepted += quantity * accepted
        self.accepted_value = self.order_item.paid_for(self.units[: self.accepted])


class Receipt(Part):
    """Units that came back together."""

    id = PublicIdField("rec")
    return_request = models.ForeignKey("returns.Return", models.PROTECT, related_name="receipts")
    warehouse_id = models.CharField(max_length=64)
    received_at = models.DateTimeField()
    received_by = models.CharField(max_length=150)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return ", ".join(map(str, self.contents))

    @cached_property
    def contents(self) -> "list[ReceiptItem]":
        """What was in it, in the order in which it was told."""
        return list(self.items.all())


class ReceiptItem(Part):
    """Units of a line, what state they are in, and whether they are paid for."""

    class Condition(models.TextChoices):
        GOOD = "good"
        OPENED = "opened"
        DAMAGED = "damaged"
        DEFECTIVE = "defective"
        WRONG_ITEM = "wrong_item"

    receipt = models.ForeignKey(Receipt, models.PROTECT, related_name="items")
    item = models.ForeignKey(ReturnItem, models.PROTECT, related_name="+")
    quantity = models.PositiveIntegerField()
    condition = models.CharField(max_length=16, choices=Condition.choices)
    accepted = models.BooleanField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gte=1), name="receipt_item_quantity")
        ]

    def __str__(self) -> str:
        refused = "" if self.accepted else ", not accepted"
        return f"{self.quantity} × {self.item.variant_id} ({self.condition}{refused})"
