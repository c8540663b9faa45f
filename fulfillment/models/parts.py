"""The rows that belong to a fulfillment. The fulfillment saves them."""

from django.db import models
from django.db.models import F, Q

from config.core.ids import PublicIdField
from events.aggregate import Part
from fulfillment.exceptions import TooManyFulfillmentUnits


class FulfillmentItem(Part):
    """The units of one order line that a warehouse sends, counted by state.

    The methods that count change this object only. The fulfillment saves it.
    """

    id = PublicIdField("line")
    fulfillment = models.ForeignKey("fulfillment.Fulfillment", models.PROTECT, related_name="items")
    order_item = models.ForeignKey("orders.OrderItem", models.PROTECT, related_name="+")
    variant_id = models.CharField(max_length=64)
    title = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField()  # assigned; includes all the states below
    picked_quantity = models.PositiveIntegerField(default=0)
    short_quantity = models.PositiveIntegerField(default=0)  # to be moved or written off
    lost_quantity = models.PositiveIntegerField(default=0)  # picked, and lost with a shipment

    UPDATE_FIELDS = ("quantity", "picked_quantity", "short_quantity", "lost_quantity")

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["fulfillment"], name="fulfillment_short", condition=Q(short_quantity__gt=0)
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["fulfillment", "order_item"], name="one_fulfillment_item_per_line"
            ),
            models.CheckConstraint(
                condition=Q(
                    lost_quantity__lte=F("picked_quantity"),
                    picked_quantity__lte=F("quantity") - F("short_quantity"),
                ),
                name="fulfillment_item_counts_no_unit_twice",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.variant_id}"

    @property
    def unpicked_quantity(self) -> int:
        """Units still to be picked, without those reported short."""
        return self.quantity - self.picked_quantity - self.short_quantity

    @property
    def present_quantity(self) -> int:
        """Picked units that are not lost."""
        return self.picked_quantity - self.lost_quantity

    @property
    def movable_quantity(self) -> int:
        """Units that are not picked, including those reported short."""
        return self.quantity - self.picked_quantity

    def pick(self, quantity: int) -> None:
        """Count units as picked; first those to be picked, then those reported short.

        Raises TooManyFulfillmentUnits.
        """
        self._expect_available(quantity, at_most=self.movable_quantity, state="still to be picked")
        self.short_quantity -= max(0, quantity - self.unpicked_quantity)
        self.picked_quantity += quantity

    def report_short(self, quantity: int, *, shipped_quantity: int) -> None:
        """Count units as short; first those to be picked, then those picked and not shipped.

        Raises TooManyFulfillmentUnits.
        """
        present = self.unpicked_quantity + self.picked_quantity - shipped_quantity
        self._expect_available(quantity, at_most=present, state="neither short nor shipped")
        self.picked_quantity -= max(0, quantity - self.unpicked_quantity)
        self.short_quantity += quantity

    def withdraw(self, quantity: int) -> None:
        """Assign fewer units; those reported short go first. Raises TooManyFulfillmentUnits."""
        self._expect_available(quantity, at_most=self.movable_quantity, state="not picked")
        self.short_quantity -= min(quantity, self.short_quantity)
        self.quantity -= quantity

    def write_off(self, quantity: int) -> None:
        """Give up units that are reported short. Raises TooManyFulfillmentUnits."""
        self._expect_available(quantity, at_most=self.short_quantity, state="reported short")
        self.withdraw(quantity)

    def _expect_available(self, quantity: int, *, at_most: int, state: str) -> None:
        if quantity > at_most:
            raise TooManyFulfillmentUnits(
                f"{self.order_item_id}: {quantity} requested, {at_most} {state} here."
            )


class Pick(Part):
    """A scan: units that were picked or, with a reason, reported short. Each scan counts once."""

    fulfillment = models.ForeignKey("fulfillment.Fulfillment", models.PROTECT, related_name="picks")
    scan_id = models.CharField(max_length=64)
    order_item_id = models.CharField(max_length=40)
    quantity = models.PositiveIntegerField()
    short_reason = models.CharField(max_length=200, default="")  # empty if the units were picked
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
