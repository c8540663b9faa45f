"""What is known of an order: its columns, its parts, and what follows from them."""

from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round

from config.core import request_context
from config.core.ids import PublicIdField
from config.core.money import (
    MAX_DECIMALS,
    CurrencyField,
    MoneyField,
    TaxRateField,
    bounded,
    exact,
    money,
    split,
)
from events.aggregate import Aggregate
from orders.events import OrderCancelled
from orders.exceptions import DiscountTooLarge, OrderIsCancelled
from orders.models.parts import OrderItem

# Which moments a status implies: reached, and not left out on the way.
_NEVER_CANCELLED = Q(cancelled_at=None)
_PLACED = Q(placed_at__isnull=False)
_CONFIRMED = _PLACED & Q(confirmed_at__isnull=False)
STATUS_HAS_ITS_MOMENTS = (
    (Q(status="pending", placed_at=None) & _NEVER_CANCELLED)
    | (Q(status="placed", confirmed_at=None) & _PLACED & _NEVER_CANCELLED)
    | (Q(status="confirmed", processing_at=None) & _CONFIRMED & _NEVER_CANCELLED)
    | (Q(status="processing", processing_at__isnull=False) & _CONFIRMED & _NEVER_CANCELLED)
    | (Q(status="shipped", dispatched_at__isnull=False) & _CONFIRMED & _NEVER_CANCELLED)
    | (Q(status="delivered", delivered_at__isnull=False) & _CONFIRMED & _NEVER_CANCELLED)
    | Q(status="cancelled", cancelled_at__isnull=False, cancellation_reason__isnull=False)
)


class OrderRecord(Aggregate):
    """The part of an order that does not move by itself."""

    class Status(models.TextChoices):
        PENDING = "pending"
        PLACED = "placed"
        CONFIRMED = "confirmed"
        PROCESSING = "processing"
        SHIPPED = "shipped"
        DELIVERED = "delivered"
        CANCELLED = "cancelled"

    terminal_statuses = frozenset({Status.DELIVERED, Status.CANCELLED})

    class CancellationReason(models.TextChoices):
        CUSTOMER_REQUEST = "customer_request"
        OUT_OF_STOCK = "out_of_stock"
        PAYMENT_FAILED = "payment_failed"
        RESERVATION_EXPIRED = "reservation_expired"
        FRAUD = "fraud"
        OPERATOR = "operator"
        OTHER = "other"

    class HoldReason(models.TextChoices):
        FRAUD = "fraud"
        ADDRESS = "address"
        PAYMENT = "payment"
        MANUAL = "manual"

    items: Any  # the reverse of OrderItem.order
    write_offs: Any  # the reverse of WriteOff.order

    id = PublicIdField("order")
    number = models.CharField(max_length=20)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    cart = models.OneToOneField("carts.Cart", models.PROTECT, null=True, related_name="+")
    replaces = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")
    customer_id = models.CharField(max_length=64, null=True)
    customer_email = models.EmailField(null=True)
    local_id = models.CharField(max_length=64, null=True)
    shipping_address = models.JSONField(null=True)
    billing_address = models.JSONField(null=True)
    currency = CurrencyField()
    carrier = models.CharField(max_length=64, null=True)
    service = models.CharField(max_length=64, null=True)
    signature_required = models.BooleanField(default=False)
    shipping_cost = MoneyField(default=Decimal(0))
    shipping_tax_rate = TaxRateField()
    shipping_tax = MoneyField(default=Decimal(0))
    discount = MoneyField(default=Decimal(0))
    discount_reason = models.CharField(max_length=200, null=True)
    subtotal = MoneyField()
    tax = MoneyField()
    total = MoneyField()
    placed_at = models.DateTimeField(null=True)
    reservation_id = models.CharField(max_length=64, null=True)
    reservation_expires_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    payment_id = models.CharField(max_length=40, null=True)
    hold_reason = models.CharField(max_length=16, choices=HoldReason.choices, null=True)
    hold_note = models.CharField(max_length=500, default="")
    held_by = models.CharField(max_length=150, null=True)
    held_at = models.DateTimeField(null=True)
    processing_at = models.DateTimeField(null=True)
    dispatched_at = models.DateTimeField(null=True)  # the first time that anything left
    delivered_at = models.DateTimeField(null=True)  # the latest delivery so far, with its proof
    delivery_signature = models.TextField(null=True)
    delivery_photo_url = models.URLField(max_length=1000, null=True)
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.CharField(max_length=150, null=True)
    cancellation_reason = models.CharField(
        max_length=32, choices=CancellationReason.choices, null=True
    )
    cancellation_note = models.CharField(max_length=500, default="")

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["number", "organization_id"], name="order_number"),
            models.CheckConstraint(
                condition=Q(
                    discount__gte=0,
                    discount__lte=F("subtotal"),
                    shipping_cost__gte=0,
                    shipping_tax__gte=0,
                    # Rounded, because SQLite adds with floats.
                    total=Round(
                        F("subtotal") - F("discount") + F("shipping_cost") + F("tax"),
                        precision=MAX_DECIMALS,
                    ),
                ),
                name="order_adds_up",
            ),
            models.CheckConstraint(condition=STATUS_HAS_ITS_MOMENTS, name="order_moments"),
            models.CheckConstraint(
                condition=Q(held_at=None, hold_reason=None, held_by=None)
                | Q(held_at__isnull=False, hold_reason__isnull=False, held_by__isnull=False),
                name="order_hold_is_whole",
            ),
        ]
        indexes = [
            models.Index(fields=["organization_id", "-id"], name="order_list"),
            models.Index(fields=["customer_id", "organization_id", "-id"], name="order_customer"),
            models.Index(
                fields=["customer_email"],
                name="order_email",
                condition=Q(customer_email__isnull=False),
            ),
            models.Index(fields=["status", "organization_id", "-id"], name="order_status"),
            models.Index(
                fields=["local_id", "organization_id", "-id"],
                name="order_local",
                condition=Q(local_id__isnull=False),
            ),
            models.Index(fields=["organization_id", "placed_at"], name="order_placed"),
            models.Index(fields=["organization_id", "updated_at"], name="order_updated"),
            models.Index(
                fields=["reservation_expires_at"],
                name="order_unpaid",
                condition=Q(status="placed"),
            ),
            models.Index(fields=["held_at"], name="order_held", condition=Q(held_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.number

    @cached_property
    def lines(self) -> list[OrderItem]:
        """The items with their allocations, in the order in which they were given."""
        models.prefetch_related_objects([self], "items__allocations")
        return list(self.items.all())

    def is_fulfillable(self) -> bool:
        """it is confirmed and not cancelled"""
        return bool(self.confirmed_at) and not self.is_cancelled()

    def is_cancelled(self) -> bool:
        """Whether the order is cancelled."""
        return self.status == self.Status.CANCELLED

    def expect_not_cancelled(self, aggregate: "Aggregate | None" = None) -> None:
        """Raise OrderIsCancelled. `aggregate` is the one that the request wants to change."""
        if self.is_cancelled():
            raise OrderIsCancelled(
                f"{self.id} is cancelled: none of its units can be reserved or sent.",
                allowed_actions=(aggregate or self).allowed_actions(),
            )

    def price(self) -> None:
        """Compute every amount from the lines, the discount and the shipping.

        Raises DiscountTooLarge, InexactAmount, AmountTooLarge.
        """
        nets = [exact(line.unit_price, self.currency) * line.quantity for line in self.lines]
        self.subtotal = bounded(sum(nets, Decimal(0)))
        if exact(self.discount, self.currency) > self.subtotal:
            raise DiscountTooLarge(f"The items cost {self.subtotal}; the discount is more.")
        parts = split(self.discount, nets, self.currency)
        for line, discount in zip(self.lines, parts, strict=True):
            line.price(discount=discount, currency=self.currency)
        self.shipping_cost = exact(self.shipping_cost, self.currency)
        bounded(self.subtotal + self.shipping_cost)  # as the invoice adds them up
        self.shipping_tax = money(self.shipping_cost * self.shipping_tax_rate, self.currency)
        self.tax = sum((line.tax for line in self.lines), self.shipping_tax)
        self.total = bounded(self.subtotal - self.discount + self.shipping_cost + self.tax)

    def end(self, reason: str, note: str, at: datetime, is_paid: bool) -> OrderCancelled:
        """Remember who cancelled it, when and why; what was paid is to be given back."""
        self.cancellation_reason, self.cancellation_note = reason, note
        self.cancelled_by, self.cancelled_at = request_context.current().actor, at
        return OrderCancelled.of(self, reason=reason, refund_required=is_paid)
