"""What is known of an order: its columns, its parts, and what follows from them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round

from events import origin
from events.aggregate import Aggregate
from events.ids import PublicIdField
from events.money import (
    MAX_DECIMALS,
    CurrencyField,
    MoneyField,
    TaxRateField,
    bounded,
    exact,
    money,
    split,
)
from orders.events import LineUnits, OrderShipped, OrderUnitsWrittenOff, StockItem
from orders.models.parts import Allocation, Dispatch, OrderItem, WriteOff
from orders.models.refusals import DiscountTooLarge, UnknownItem


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
            models.UniqueConstraint(fields=["organization_id", "number"], name="order_number"),
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
            models.CheckConstraint(
                condition=Q(status="cancelled", cancelled_at__isnull=False)
                | (~Q(status="cancelled") & Q(cancelled_at__isnull=True)),
                name="order_cancelled_at",
            ),
        ]
        indexes = [
            models.Index(fields=["organization_id", "-id"], name="order_list"),
            models.Index(fields=["organization_id", "customer_id", "-id"], name="order_customer"),
            models.Index(fields=["organization_id", "updated_at"], name="order_updated"),
            models.Index(
                fields=["reservation_expires_at"],
                name="order_unpaid",
                condition=Q(status="placed"),
            ),
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.counted: dict[str, OrderItem] = {}  # lines to be saved with the order
        self.parts: list[models.Model] = []  # as well
        self.allocations: list[Allocation] | None = None  # to replace the ones before

    def __str__(self) -> str:
        return self.number

    @cached_property
    def lines(self) -> list[OrderItem]:
        """The items, in the order in which they were given."""
        return list(self.items.all())

    @property
    def is_paid(self) -> bool:
        """There is money to give back if it is cancelled."""
        return self.confirmed_at is not None and self.total > 0

    def is_allocated_as(self, allocations: Sequence[Mapping[str, Any]]) -> bool:
        """Return whether the same allocation has been recorded before."""
        given = {(a["order_item_id"], a["warehouse_id"], a["quantity"]) for a in allocations}
        return given == {
            (line.id, allocation.warehouse_id, allocation.quantity)
            for line in self.lines
            for allocation in line.allocations.all()
        }

    def line(self, item_id: str) -> OrderItem:
        """Return a line by its id. Raises UnknownItem."""
        for line in self.lines:
            if line.id == item_id:
                return line
        raise UnknownItem(f"{self.id} has no item {item_id}.")

    def lines_of(self, units: Mapping[str, int]) -> list[tuple[OrderItem, int]]:
        """Return lines with how many units of each are meant. Raises UnknownItem."""
        return [(self.line(item_id), quantity) for item_id, quantity in units.items()]

    def count(self, item_id: str, **units: int) -> None:
        """Move a line's counters: `count(item_id, shipped=2)`."""
        line = self.line(item_id)
        for counter, by in units.items():
            setattr(line, counter, getattr(line, counter) + by)
        self.counted[line.id] = line

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
        self.shipping_tax = money(self.shipping_cost * self.shipping_tax_rate, self.currency)
        self.tax = sum((line.tax for line in self.lines), self.shipping_tax)
        self.total = bounded(self.subtotal - self.discount + self.shipping_cost + self.tax)

    def _ended(self, reason: str, note: str, at: datetime) -> None:
        self.cancellation_reason, self.cancellation_note = reason, note
        self.cancelled_by, self.cancelled_at = origin.current().actor, at

    def dispatch(
        self,
        *,
        shipment_id: str,
        warehouse_id: str | None,
        carrier: str,
        tracking_number: str | None,
        estimated_delivery: date | None,
        units: Mapping[str, int],
        at: datetime,
    ) -> OrderShipped:
        """Count what leaves, and remember in which shipment."""
        for line, quantity in self.lines_of(units):
            line.expect(quantity, at_most=line.to_ship)
            self.count(line.id, shipped=quantity)
            self.parts.append(
                Dispatch(
                    order_id=self.pk, order_item=line, shipment_id=shipment_id, quantity=quantity
                )
            )
        self.dispatched_at = self.dispatched_at or at
        return OrderShipped(
            order_id=self.id,
            shipment_id=shipment_id,
            carrier=carrier,
            tracking_number=tracking_number,
            shipped_at=at,
            estimated_delivery=estimated_delivery,
            shipped_items=[
                StockItem(variant_id=line.variant_id, quantity=quantity, warehouse_id=warehouse_id)
                for line, quantity in self.lines_of(units)
            ],
        )

    def arrive(
        self,
        dispatches: Sequence[Dispatch],
        *,
        signature: str | None,
        photo_url: str | None,
        at: datetime,
    ) -> None:
        """Count what arrives; the proof of the latest delivery is the order's."""
        for dispatch in dispatches:
            self.count(dispatch.order_item_id, delivered=dispatch.quantity)
            dispatch.delivered_at = at
        self.parts += dispatches
        if self.delivered_at is None or at >= self.delivered_at:
            self.delivered_at = at
            self.delivery_signature, self.delivery_photo_url = signature, photo_url

    def strike(self, units: Mapping[str, int], reason: str, at: datetime) -> OrderUnitsWrittenOff:
        """Count what will never leave, and what was paid for it."""
        written_off = []
        for line, quantity in self.lines_of(units):
            line.expect(quantity, at_most=line.to_ship)
            before = line.paid_for_cancelled()
            self.count(line.id, cancelled=quantity)
            written_off.append(
                WriteOff(
                    order_id=self.pk,
                    order_item=line,
                    quantity=quantity,
                    reason=reason,
                    amount=line.paid_for_cancelled() - before,
                    written_off_at=at,
                    written_off_by=origin.current().actor,
                )
            )
        self.parts += written_off
        amount = sum((part.amount for part in written_off), Decimal(0))
        return OrderUnitsWrittenOff(
            order_id=self.id,
            reason=reason,
            items=LineUnits.of(units),
            amount=money(amount, self.currency),
            currency=self.currency,
        )

    def save_parts(self) -> None:
        OrderItem.objects.bulk_create(
            self.counted.values(),
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=OrderItem.COUNTERS,
        )
        if self.allocations is not None:
            Allocation.objects.filter(order_item__order_id=self.pk).delete()
            Allocation.objects.bulk_create(self.allocations)
        for part in self.parts:
            part.save()
        self.counted, self.parts, self.allocations = {}, [], None
