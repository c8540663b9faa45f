"""What a fulfillment is made of. Each part is saved by the fulfillment that it belongs to."""

from django.db import models
from django.db.models import F, Q

from config.core.ids import PublicIdField
from events.aggregate import Part
from fulfillment.exceptions import TooManyUnits


class FulfillmentItem(Part):
    """A line's units that a warehouse is to send, and how far they have come here."""

    id = PublicIdField("line")
    fulfillment = models.ForeignKey("fulfillment.Fulfillment", models.PROTECT, related_name="items")
    order_item = models.ForeignKey("orders.OrderItem", models.PROTECT, related_name="+")
    variant_id = models.CharField(max_length=64)
    title = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField()  # what is assigned; nothing else is counted beside it
    picked = models.PositiveIntegerField(default=0)  # taken from the shelf
    short = models.PositiveIntegerField(default=0)  # not to be found here, and not yet decided upon
    lost = models.PositiveIntegerField(default=0)  # of those picked: gone with their shipment

    UPDATE_FIELDS = ("quantity", "picked", "short", "lost")

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["fulfillment"], name="fulfillment_short", condition=Q(short__gt=0)
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["fulfillment", "order_item"], name="one_fulfillment_item_per_line"
            ),
            models.CheckConstraint(
                condition=Q(lost__lte=F("picked"), picked__lte=F("quantity") - F("short")),
                name="fulfillment_item_counts_no_unit_twice",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.variant_id}"

    @property
    def unpicked(self) -> int:
        """Units that are still to be looked for."""
        return self.quantity - self.picked - self.short

    @property
    def kept(self) -> int:
        """Units that are picked and, if they have left, not lost."""
        return self.picked - self.lost

    @property
    def planned(self) -> int:
        """Units that the customer may still get from here."""
        return self.quantity - self.lost

    def expect(self, quantity: int, *, at_most: int, what: str) -> None:
        """Raise TooManyUnits where more units are asked for than are in that state."""
        if quantity > at_most:
            raise TooManyUnits(
                f"{self.order_item_id}: {at_most} {what} here; {quantity} were asked for."
            )


class Pick(Part):
    """What somebody scanned, or could not find: each scan counts once."""

    fulfillment = models.ForeignKey("fulfillment.Fulfillment", models.PROTECT, related_name="picks")
    scan_id = models.CharField(max_length=64)
    order_item_id = models.CharField(max_length=40)
    quantity = models.PositiveIntegerField()
    short_reason = models.CharField(max_length=200, default="")  # why it could not be picked
    picked_by = models.CharField(max_length=150)
    picked_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["fulfillment", "scan_id"], name="one_pick_per_scan"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="pick_quantity"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.order_item_id}"
