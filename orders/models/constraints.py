"""What the database checks in the rows of orders, and its indexes."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round

from config.core.client_data import metadata_index, reference_index
from config.core.money import MAX_DECIMALS

# The timestamps that a status requires and excludes.
_NEVER_CANCELLED = Q(cancelled_at=None)
_PLACED = Q(placed_at__isnull=False)
_CONFIRMED = _PLACED & Q(confirmed_at__isnull=False)
STATUS_MATCHES_TIMESTAMPS = (
    (Q(status="pending", placed_at=None) & _NEVER_CANCELLED)
    | (Q(status="placed", confirmed_at=None) & _PLACED & _NEVER_CANCELLED)
    | (
        Q(status="paid", confirmed_at=None, reservation_due_at__isnull=False)
        & _PLACED
        & _NEVER_CANCELLED
    )
    | (Q(status="confirmed", processing_at=None) & _CONFIRMED & _NEVER_CANCELLED)
    | (Q(status="processing", processing_at__isnull=False) & _CONFIRMED & _NEVER_CANCELLED)
    | (Q(status="shipped", dispatched_at__isnull=False) & _CONFIRMED & _NEVER_CANCELLED)
    | (Q(status="delivered", delivered_at__isnull=False) & _CONFIRMED & _NEVER_CANCELLED)
    | Q(status="cancelled", cancelled_at__isnull=False, cancellation_reason__isnull=False)
)
# Rounded, because SQLite computes with floats.
PRICES = F("subtotal") - F("discount") + F("shipping_cost")
TOTAL_OF_INCLUSIVE_PRICES = Round(PRICES, precision=MAX_DECIMALS)
TOTAL = Round(PRICES + F("tax"), precision=MAX_DECIMALS)
CONSTRAINTS = [
    models.UniqueConstraint(fields=["number", "organization_id"], name="order_number"),
    models.UniqueConstraint(
        fields=["exchanges"],
        name="one_exchange_per_return",
        condition=Q(exchanges__isnull=False) & ~Q(status="cancelled"),
    ),
    models.CheckConstraint(
        condition=Q(discount__gte=0, discount__lte=F("subtotal"))
        & Q(shipping_cost__gte=0, shipping_tax__gte=0, shipping_discount__gte=0)
        & (
            Q(tax_inclusive=False, total=TOTAL)
            | Q(tax_inclusive=True, total=TOTAL_OF_INCLUSIVE_PRICES, tax__lte=F("total"))
        ),
        name="order_adds_up",
    ),
    models.CheckConstraint(condition=STATUS_MATCHES_TIMESTAMPS, name="order_timestamps"),
    models.CheckConstraint(
        condition=Q(held_at=None, hold_reason=None, held_by=None)
        | Q(held_at__isnull=False, hold_reason__isnull=False, held_by__isnull=False),
        name="order_hold_is_complete",
    ),
]
INDEXES = [
    models.Index(fields=["organization_id", "-id"], name="order_list"),
    models.Index(fields=["customer_id", "organization_id", "-id"], name="order_customer"),
    models.Index(
        fields=["session_id", "organization_id", "-id"],
        name="order_session",
        condition=Q(session_id__isnull=False),
    ),
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
    reference_index("external_reference", "order_reference"),
    reference_index("purchase_order_number", "order_purchase_order"),
    metadata_index("order_metadata"),
    models.Index(fields=["organization_id", "placed_at"], name="order_placed"),
    models.Index(fields=["organization_id", "updated_at"], name="order_updated"),
    models.Index(
        fields=["reservation_expires_at"], name="order_unpaid", condition=Q(status="placed")
    ),
    models.Index(fields=["created_at"], name="order_pending", condition=Q(status="pending")),
    models.Index(
        fields=["reservation_due_at"],
        name="order_unreserved",
        condition=Q(status="paid", held_at=None),
    ),
    models.Index(
        fields=["updated_at"],
        name="order_not_erased",
        condition=Q(status__in=["delivered", "cancelled"], erased_at=None),
    ),
    models.Index(fields=["held_at"], name="order_held", condition=Q(held_at__isnull=False)),
]
