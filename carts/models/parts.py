"""The parts of a cart. Saving the cart saves them."""

from decimal import Decimal
from typing import TYPE_CHECKING, cast

from django.db import models
from django.db.models import Q

from config.core.ids import PublicIdField
from config.core.money import MoneyField, TaxRateField
from events.aggregate import Part

if TYPE_CHECKING:
    from orders.models.parts import ItemData

MAX_QUANTITY = 9_999


class CartItem(Part):
    """A line: one variant at one price."""

    id = PublicIdField("item")
    cart = models.ForeignKey("carts.Cart", models.PROTECT, related_name="items")
    position = models.PositiveIntegerField()
    variant_id = models.CharField(max_length=64)
    title = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField()
    unit_price = MoneyField()
    tax_rate = TaxRateField()
    preferred_warehouse_id = models.CharField(max_length=64, null=True)

    UPDATE_FIELDS = ("quantity",)
    COPIED_FIELDS = (
        "variant_id",
        "title",
        "quantity",
        "unit_price",
        "tax_rate",
        "preferred_warehouse_id",
    )

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["cart", "variant_id", "unit_price", "tax_rate"], name="one_line_per_offer"
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, quantity__lte=MAX_QUANTITY), name="cart_item_quantity"
            ),
            models.CheckConstraint(condition=Q(unit_price__gte=0), name="cart_item_unit_price"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.variant_id}"

    @property
    def offer(self) -> tuple[str, Decimal, Decimal]:
        """The variant, its price and tax rate. A cart has one line for each offer."""
        return self.variant_id, self.unit_price, self.tax_rate

    def copied_values(self) -> "ItemData":
        """Return what another cart or an order copies from this line."""
        return cast("ItemData", {name: getattr(self, name) for name in self.COPIED_FIELDS})
