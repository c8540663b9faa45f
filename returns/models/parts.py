"""The rows that belong to a return. The return saves them."""

from decimal import Decimal
from typing import TypedDict

from django.db import models
from django.db.models import F, Q

from config.core.ids import PublicIdField
from config.core.money import MoneyField
from events.aggregate import Part, PartList


class ReceivedUnits(TypedDict):
    """Units of one order line that were received in one condition."""

    order_item_id: str
    quantity: int
    condition: str
    accepted: bool


class ReturnItem(Part):
    """Units of one order line that come back, counted by state."""

    id = PublicIdField("rit")
    return_request = models.ForeignKey("returns.Return", models.PROTECT, related_name="items")
    order_item = models.ForeignKey("orders.OrderItem", models.PROTECT, related_name="+")
    position = models.PositiveIntegerField()
    variant_id = models.CharField(max_length=64)
    title = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField()
    reason = models.CharField(max_length=200, null=True)
    unit_numbers = models.JSONField()  # of the order line's units, which count from 1
    value = MoneyField()  # the paid price of the units
    received_quantity = models.PositiveIntegerField(default=0)
    accepted_quantity = models.PositiveIntegerField(default=0)
    accepted_value = MoneyField(default=Decimal(0))

    UPDATE_FIELDS = ("received_quantity", "accepted_quantity", "accepted_value")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["return_request", "order_item"], name="one_item_per_return_and_line"
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, received_quantity__lte=F("quantity"))
                & Q(accepted_quantity__lte=F("received_quantity")),
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
    def outstanding_quantity(self) -> int:
        """Units that are not received yet."""
        return self.quantity - self.received_quantity

    def receive(self, quantity: int, *, accepted: bool) -> None:
        """Count units as received. Accepted units are paid for in the order of their numbers."""
        self.received_quantity += quantity
        if accepted:
            self.accepted_quantity += quantity
            accepted_numbers = self.unit_numbers[: self.accepted_quantity]
            self.accepted_value = self.order_item.paid_for(accepted_numbers)


class Receipt(Part):
    """Units that a warehouse received together."""

    id = PublicIdField("rec")
    return_request = models.ForeignKey("returns.Return", models.PROTECT, related_name="receipts")
    warehouse_id = models.CharField(max_length=64)
    received_at = models.DateTimeField()
    received_by = models.CharField(max_length=150)
    contents = PartList["ReceiptItem"]("items", related="item")  # in the order of the request

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return ", ".join(map(str, self.contents))

    def siblings(self) -> "list[Receipt]":
        """Return all receipts of the return."""
        receipts: list[Receipt] = self.return_request.all_receipts
        return receipts


class ReceiptItem(Part):
    """Received units of one line in one condition; only accepted units are refunded."""

    class Condition(models.TextChoices):
        GOOD = "good"
        OPENED = "opened"
        DAMAGED = "damaged"
        DEFECTIVE = "defective"
        WRONG_ITEM = "wrong_item"

    USABLE = (Condition.GOOD, Condition.OPENED)  # can be sent to the customer again

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
        suffix = "" if self.accepted else ", not accepted"
        return f"{self.quantity} × {self.item.variant_id} ({self.condition}{suffix})"
