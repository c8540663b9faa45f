"""The parts of a cart. Saving the cart saves them."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from django.db import models
from django.db.models import Q

from config.core.client_data import CLIENT_DATA, ClientData, line_index
from config.core.ids import PublicIdField
from config.core.money import MoneyField, TaxRateField, UnitPriceField, exact, line_amount
from events.aggregate import Part
from orders.exceptions import DiscountTooLarge

if TYPE_CHECKING:
    from orders.models.parts import DiscountData, ItemData

MAX_QUANTITY = 1_000_000


class CartItem(ClientData, Part):
    """A line: one variant at one price."""

    id = PublicIdField("item")
    cart = models.ForeignKey("carts.Cart", models.PROTECT, related_name="items")
    position = models.PositiveIntegerField()
    variant_id = models.CharField(max_length=64)
    title = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField()
    unit_price = UnitPriceField()
    tax_rate = TaxRateField()  # the sum of those of `taxes`
    # During an upgrade, the old version inserts rows without the columns that have a `db_default`.
    taxes = models.JSONField(default=list, db_default=[])  # as of an order's line
    line_discount = MoneyField(default=Decimal(0), db_default=Decimal(0))  # of all units together
    discount_code = models.CharField(max_length=64, null=True)
    discount_reason = models.CharField(max_length=200, null=True)
    preferred_warehouse_id = models.CharField(max_length=64, null=True)

    DISCOUNT_FIELDS = ("line_discount", "discount_code", "discount_reason")
    UPDATE_FIELDS = ("quantity", *DISCOUNT_FIELDS)
    COPIED_FIELDS = (
        "variant_id",
        "title",
        "quantity",
        "unit_price",
        "tax_rate",
        "taxes",
        "discount",
        "preferred_warehouse_id",
        *CLIENT_DATA,
    )

    class Meta:
        ordering = ["position"]
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gte=1, quantity__lte=MAX_QUANTITY), name="cart_item_quantity"
            ),
            models.CheckConstraint(
                condition=Q(unit_price__gte=0, line_discount__gte=0), name="cart_item_unit_price"
            ),
        ]
        indexes = [line_index("cart_item_reference")]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.variant_id}"

    @property
    def offer(self) -> dict[str, Any]:
        """What makes a line of its own: all but the quantity and the amount of the discount."""
        own = {**self.copied_values(), "quantity": None}
        return own | {"discount": self.discount and {**self.discount, "amount": None}}

    @property
    def amount(self) -> Decimal:
        """Quantity × unit price, before the discount."""
        return line_amount(self.quantity, self.unit_price, self.cart.currency)

    @property
    def discount(self) -> "DiscountData | None":
        """What is taken off the amount, or None."""
        given = (self.line_discount, self.discount_code, self.discount_reason)
        amount, code, reason = given
        return {"amount": amount, "code": code, "reason": reason} if any(given) else None

    @discount.setter
    def discount(self, data: "DiscountData | None") -> None:
        data = data or {}
        self.line_discount = data.get("amount", Decimal(0))
        self.discount_code, self.discount_reason = data.get("code"), data.get("reason")

    def expect_discountable(self) -> None:
        """Raise DiscountTooLarge if the discount exceeds the amount, or InexactAmount."""
        if exact(self.line_discount, self.cart.currency) > self.amount:
            raise DiscountTooLarge(
                f"The discount of {self.line_discount} on the line of {self.variant_id} exceeds "
                f"its amount of {self.amount}."
            )

    def copied_values(self) -> "ItemData":
        """Return what another cart or an order copies from this line."""
        return cast("ItemData", {name: getattr(self, name) for name in self.COPIED_FIELDS})
