"""What is known of a fulfillment: its columns, its lines, and counting them."""

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django.db import models
from django.db.models import Q

from config.core import request_context
from config.core.ids import PublicIdField
from events.aggregate import Aggregate
from fulfillment.exceptions import UnknownItem
from fulfillment.models.parts import FulfillmentItem, Pick

STATUS_HAS_ITS_MOMENTS = (
    Q(status="open", started_at=None, packed_at=None, cancelled_at=None)
    | Q(
        Q(status="started", packed_at=None, cancelled_at=None),
        started_at__isnull=False,
        warehouse_id__isnull=False,
    )
    | Q(
        Q(status="packed", cancelled_at=None),
        packed_at__isnull=False,
        total_weight__isnull=False,
    )
    | Q(Q(status="cancelled", packed_at=None), cancelled_at__isnull=False)
)


class FulfillmentRecord(Aggregate):
    """The part of a fulfillment that does not move by itself."""

    class Status(models.TextChoices):
        OPEN = "open"
        STARTED = "started"
        PACKED = "packed"
        CANCELLED = "cancelled"

    terminal_statuses = frozenset({Status.PACKED, Status.CANCELLED})
    stream_field = "order_id"

    items: Any  # the reverse of FulfillmentItem.fulfillment
    picks: Any  # the reverse of Pick.fulfillment

    id = PublicIdField("ful")
    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="+")
    warehouse_id = models.CharField(max_length=64, null=True)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.OPEN)
    assigned_to = models.CharField(max_length=150, null=True)
    started_at = models.DateTimeField(null=True)
    packages = models.JSONField(default=list)  # weight in kg, length, width, height in cm
    total_weight = models.DecimalField(max_digits=9, decimal_places=3, null=True)  # kg
    packed_by = models.CharField(max_length=150, null=True)
    packed_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    cancellation_reason = models.CharField(max_length=32, default="")

    LIVE = (Status.OPEN, Status.STARTED)  # to which units may be added

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(
                fields=["order", "warehouse_id"],
                name="one_fulfillment_per_warehouse",
                condition=Q(status__in=("open", "started")),
            ),
            models.UniqueConstraint(
                fields=["order"],
                name="one_fulfillment_without_a_warehouse",
                condition=Q(status__in=("open", "started"), warehouse_id=None),
            ),
            models.CheckConstraint(condition=STATUS_HAS_ITS_MOMENTS, name="fulfillment_moments"),
        ]
        indexes = [
            models.Index(fields=["organization_id", "-id"], name="fulfillment_list"),
            models.Index(fields=["status", "organization_id", "-id"], name="fulfillment_status"),
            models.Index(fields=["organization_id", "updated_at"], name="fulfillment_updated"),
            models.Index(
                fields=["assigned_to", "organization_id", "-id"],
                name="fulfillment_assigned_to",
                condition=Q(assigned_to__isnull=False),
            ),
            models.Index(fields=["order"], name="fulfillment_order"),
            models.Index(fields=["warehouse_id", "-id"], name="fulfillment_warehouse"),
            models.Index(
                fields=["-id"],
                name="fulfillment_live",
                condition=Q(status__in=("open", "started")),
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @cached_property
    def lines(self) -> list[FulfillmentItem]:
        """The lines, loaded once; they belong to the order in which the customer sees them."""
        return list(self.items.all())

    @property
    def units(self) -> Counter[str]:
        """How many of which line are assigned."""
        return Counter({line.order_item_id: line.quantity for line in self.lines})

    def has_nothing(self) -> bool:
        """nothing is assigned to it any more"""
        return not any(line.quantity for line in self.lines)

    def line(self, order_item_id: str) -> FulfillmentItem:
        """Return the line with these units. Raises UnknownItem."""
        for line in self.lines:
            if line.order_item_id == order_item_id:
                return line
        raise UnknownItem(f"{self.pk} has no units of {order_item_id}.")

    def lines_of(self, units: Mapping[str, int]) -> list[tuple[FulfillmentItem, int]]:
        """Return lines with how many units of each are meant. Raises UnknownItem."""
        return [(self.line(item), quantity) for item, quantity in units.items()]

    def count(self, line: FulfillmentItem, **units: int) -> None:
        """Move a line's counters: `count(line, picked=2)`."""
        for counter, by in units.items():
            setattr(line, counter, getattr(line, counter) + by)
        self.save_part(line)

    def add(self, order_item: Any, quantity: int) -> None:
        """Assign units of one of the order's lines."""
        for line in self.lines:
            if line.order_item_id == order_item.id:
                self.count(line, quantity=quantity)
                return
        line = FulfillmentItem(
            fulfillment_id=self.pk,
            order_item_id=order_item.id,
            variant_id=order_item.variant_id,
            title=order_item.title,
            quantity=quantity,
        )
        self.lines.append(line)
        self.save_part(line)

    def keep_scan(self, scan_id: str, line: FulfillmentItem, **what: Any) -> None:
        """Remember a scan, so that it counts once."""
        by = request_context.current().actor
        pick = Pick(
            fulfillment_id=self.pk,
            scan_id=scan_id,
            order_item_id=line.order_item_id,
            picked_by=by,
            **what,
        )
        self.save_part(pick)
