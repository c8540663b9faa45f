"""The cart aggregate: its columns, its transitions, and what follows from them."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from carts.events import (
    CartAbandoned,
    CartConverted,
    CartCreated,
    CartExpired,
    CartItemAdded,
    CartItemChanged,
    CartItemsAbsorbed,
    CartMerged,
)
from carts.exceptions import AlreadyCheckedOut, CannotMerge, CartTooLarge
from carts.models.parts import MAX_QUANTITY, CartItem
from config.core.client_data import (
    CLIENT_DATA,
    ClientData,
    PurchaseOrderNumberField,
    metadata_index,
    reference_index,
)
from config.core.ids import PublicIdField
from config.core.money import CurrencyField, money, unit_price
from events.aggregate import Aggregate, PartList, transition
from events.people import CustomerErased

if TYPE_CHECKING:
    from orders.models.parts import DiscountData

MAX_ITEMS = 500


class Cart(ClientData, Aggregate):
    """What a shopper intends to buy. A line keeps the price and title it was added with."""

    class Status(models.TextChoices):
        """The status of a cart.

        - `active`: items can be added.
        - `abandoned`: it is idle. The next change makes it active again.
        - `converted`: it was checked out, as the order `order_id`.
        - `expired`: it was idle for too long, and cannot change any more.
        - `merged`: its lines are in the cart `merged_into`.
        """

        ACTIVE = "active"
        ABANDONED = "abandoned"
        CONVERTED = "converted"
        EXPIRED = "expired"
        MERGED = "merged"

    # What a guest's cart has if the cart that it is merged into has none, and so has the order.
    INHERITED_FIELDS = ("locale", "purchase_order_number", *CLIENT_DATA)
    OPEN = (Status.ACTIVE, Status.ABANDONED)
    terminal_statuses = frozenset({Status.CONVERTED, Status.EXPIRED, Status.MERGED})
    created_event = CartCreated
    owner_path = ""

    id = PublicIdField("cart")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.ACTIVE)
    customer_id = models.CharField(max_length=64, null=True)
    session_id = models.CharField(max_length=64, null=True)
    local_id = models.CharField(max_length=64, null=True)
    locale = models.CharField(max_length=20, null=True)  # of documents; null: the organization's
    purchase_order_number = PurchaseOrderNumberField()
    currency = CurrencyField()
    # Whether prices and discounts include tax. The old version inserts rows without it.
    tax_inclusive = models.BooleanField(default=False, db_default=False)
    last_activity_at = models.DateTimeField(default=timezone.now)
    abandoned_at = models.DateTimeField(null=True)
    order = models.OneToOneField("orders.Order", models.PROTECT, null=True, related_name="+")
    # Of what was sent with the checkout; null after an erasure, and after one by an older version.
    checkout_digest = models.CharField(max_length=64, null=True)
    merged_into = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")
    lines = PartList[CartItem]("items")  # in the order in which they were added

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(customer_id__isnull=False) | Q(session_id__isnull=False),
                name="cart_has_an_owner",
            ),
            models.CheckConstraint(
                condition=Q(status="converted", order__isnull=False)
                | (~Q(status="converted") & Q(order__isnull=True)),
                name="cart_converted_into_an_order",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["active", "abandoned", "converted", "expired", "merged"]),
                name="cart_status",
            ),
            models.CheckConstraint(
                condition=Q(status="merged", merged_into__isnull=False)
                | (~Q(status="merged") & Q(merged_into__isnull=True)),
                name="cart_merged_into_another",
            ),
        ]
        indexes = [
            models.Index(fields=["organization_id", "-id"], name="cart_list"),
            models.Index(fields=["customer_id", "organization_id", "-id"], name="cart_customer"),
            models.Index(
                fields=["session_id", "organization_id", "-id"],
                name="cart_session",
                condition=Q(session_id__isnull=False),
            ),
            models.Index(fields=["status", "organization_id", "-id"], name="cart_status"),
            reference_index("external_reference", "cart_reference"),
            reference_index("purchase_order_number", "cart_purchase_order"),
            metadata_index("cart_metadata"),
            models.Index(fields=["organization_id", "updated_at"], name="cart_updated"),
            models.Index(
                fields=["last_activity_at"],
                name="cart_idle",
                condition=Q(status__in=["active", "abandoned"]),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def items_count(self) -> int:
        """The number of units, not lines."""
        return sum(item.quantity for item in self.lines)

    @property
    def value(self) -> Decimal:
        """The sum of quantity × unit price, before discounts and shipping, as the prices are."""
        total = sum((item.amount for item in self.lines), Decimal(0))
        return money(total, self.currency)

    @classmethod
    def open(cls, **fields: Any) -> "Cart":
        """Open a cart for a customer or a session."""
        cart = cls(**fields)
        cart.record(CartCreated.of(cart))
        return cart

    @transition(source=OPEN, target=Status.ACTIVE, emits=CartItemAdded, verb="add_item")
    def add_item(self, *, item: CartItem, at: datetime) -> CartItemAdded:
        """Add units to the line with the same offer, or to a new line."""
        quantity = item.quantity
        self._add(item)
        self._active(at)
        return CartItemAdded(
            cart_id=self.id,
            variant_id=item.variant_id,
            quantity=quantity,
            unit_price=unit_price(item.unit_price, self.currency),
        )

    @transition(source=OPEN, target=Status.ACTIVE, emits=CartItemChanged, verb="change_item")
    def change_item(
        self, *, item: CartItem, quantity: int, discount: "DiscountData | None", at: datetime
    ) -> CartItemChanged:
        """Set the quantity and the discount of a line."""
        item.quantity, item.discount = quantity, discount
        item.expect_discountable()
        self.save_part(item)
        self._active(at)
        return self._changed(item, quantity)

    @transition(source=OPEN, target=Status.ACTIVE, emits=CartItemChanged, verb="remove_item")
    def remove_item(self, *, item: CartItem, at: datetime) -> CartItemChanged:
        """Remove a line."""
        self.lines.remove(item)
        self.delete_part(item)
        self._active(at)
        return self._changed(item, 0)

    @transition(source=OPEN, target=Status.ACTIVE, emits=CartItemsAbsorbed)
    def absorb(self, *, guest: "Cart", at: datetime) -> CartItemsAbsorbed:
        """Take over the lines of the cart that the customer filled before signing in."""
        if self.customer_id is None or guest.organization_id != self.organization_id:
            raise CannotMerge(
                f"{self.id} has no customer or is of another organization than {guest.id}."
            )
        if guest.customer_id not in (None, self.customer_id):
            raise CannotMerge(f"{guest.id} belongs to another customer.")
        if guest.currency != self.currency:
            raise CannotMerge(f"{guest.id} is in {guest.currency}, {self.id} in {self.currency}.")
        if guest.tax_inclusive != self.tax_inclusive:
            with_tax, without = (self, guest) if self.tax_inclusive else (guest, self)
            raise CannotMerge(
                f"The prices in {with_tax.id} include tax, and those in {without.id} do not."
            )
        for item in guest.lines:
            self._add(CartItem(**item.copied_values()))
        for name in self.INHERITED_FIELDS:
            setattr(self, name, getattr(self, name) or getattr(guest, name))
        self._active(at)
        return CartItemsAbsorbed.of(self, from_cart_id=guest.id, items_count=guest.items_count)

    @transition(source=OPEN, target=Status.MERGED, emits=CartMerged, verb="merge")
    def merge(self, *, into: "Cart") -> CartMerged:
        """Merge a guest's cart into the customer's cart."""
        self.merged_into = into
        return CartMerged(cart_id=self.id, into_cart_id=into.id)

    @transition(source=Status.ACTIVE, target=Status.ABANDONED, emits=CartAbandoned)
    def abandon(self, *, at: datetime) -> CartAbandoned:
        """Mark the cart as abandoned: it has been idle for the organization's threshold."""
        self.abandoned_at = at
        return CartAbandoned.of(self, total_value=self.value)

    def has_items(self) -> bool:
        """the cart holds at least one item"""
        return bool(self.lines)

    @transition(
        source=OPEN,
        target=Status.CONVERTED,
        emits=CartConverted,
        verb="checkout",
        guards=[has_items],
    )
    def convert(self, *, order_id: str, digest: str, at: datetime) -> CartConverted:
        """Check out the cart, which becomes an order. `digest` is that of what is sent with it."""
        self.order_id, self.checkout_digest = order_id, digest
        return CartConverted(
            cart_id=self.id, order_id=order_id, converted_at=at, cart_value=self.value
        )

    def expect_checked_out_with(self, digest: str) -> None:
        """Raise AlreadyCheckedOut if other data was sent with the checkout."""
        if self.checkout_digest not in (None, digest):
            raise AlreadyCheckedOut(
                f"{self.id} was checked out with other data: it is the order {self.order_id}.",
                order_id=self.order_id,
            )

    @transition(source=OPEN, target=Status.EXPIRED, emits=CartExpired)
    def expire(self) -> CartExpired:
        """Expire the cart: it has been idle for so long that its prices are out of date."""
        return CartExpired(cart_id=self.id, last_activity_at=self.last_activity_at)

    @transition(source=Status, target=None, emits=CustomerErased)
    def erase(self, *, at: datetime) -> CustomerErased:
        """Record that the personal data in the cart, and about it, was erased."""
        return CustomerErased.of(self, order_id=None, cart_id=self.id, erased_at=at)

    def _changed(self, item: CartItem, quantity: int) -> CartItemChanged:
        return CartItemChanged(
            cart_id=self.id,
            variant_id=item.variant_id,
            quantity=quantity,
            unit_price=unit_price(item.unit_price, self.currency),
        )

    def _active(self, at: datetime) -> None:
        self.last_activity_at, self.abandoned_at = at, None

    def _add(self, new: CartItem) -> None:
        """Add units, and their discount, to the line of their offer, or a new line.

        Raises CartTooLarge, DiscountTooLarge, InexactAmount, PriceTooExact, AmountTooLarge.
        """
        item = next((item for item in self.lines if item.offer == new.offer), None)
        if item:
            item.quantity += new.quantity
            item.line_discount += new.line_discount
        else:
            item = new
            item.cart = self
            item.position = max((i.position for i in self.lines), default=0) + 1
            self.lines.append(item)
        if item.quantity > MAX_QUANTITY:
            raise CartTooLarge(
                f"A line holds at most {MAX_QUANTITY:,} units; {item.quantity:,} were requested."
            )
        if len(self.lines) > MAX_ITEMS:
            raise CartTooLarge(f"A cart holds at most {MAX_ITEMS} lines.")
        item.expect_discountable()
        self.save_part(item)
