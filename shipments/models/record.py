"""What is known of a shipment: its columns, its parts, and what follows from them."""

from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Upper

from config.core.ids import PublicIdField
from config.core.money import CurrencyField, MoneyField
from config.core.retry import doubled
from events.aggregate import Aggregate
from shipments.models.account import Adapter as Adapters
from shipments.models.parts import Label, Scan, ShipmentItem

EVERY = timedelta(minutes=30)  # a carrier is asked where a parcel is
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=6)  # when it does not answer

_PACKED = Q(dispatched_at=None, delivered_at=None, cancelled_at=None)
_LEFT = Q(dispatched_at__isnull=False, cancelled_at__isnull=True)
_LABELLED = Q(tracking_number__isnull=False)
STATUS_HAS_ITS_MOMENTS = (
    (Q(status="created", tracking_number=None) & _PACKED)
    | (Q(status="label_created") & _LABELLED & _PACKED)
    | (Q(status__in=["dispatched", "in_transit", "exception"], delivered_at=None) & _LEFT)
    | (Q(status="delivered", delivered_at__isnull=False) & _LEFT)
    | (Q(status__in=["lost", "returned_to_sender"], delivered_at=None) & _LEFT)
    | Q(Q(status="cancelled", dispatched_at=None), cancelled_at__isnull=False)
)


class ShipmentRecord(Aggregate):
    """The part of a shipment that does not move by itself."""

    class Status(models.TextChoices):
        CREATED = "created"
        LABEL_CREATED = "label_created"
        DISPATCHED = "dispatched"
        IN_TRANSIT = "in_transit"
        EXCEPTION = "exception"
        DELIVERED = "delivered"
        LOST = "lost"
        RETURNED_TO_SENDER = "returned_to_sender"
        CANCELLED = "cancelled"

    Adapter = Adapters
    OPEN = (Status.CREATED, Status.LABEL_CREATED)
    terminal_statuses = frozenset(
        {Status.DELIVERED, Status.LOST, Status.RETURNED_TO_SENDER, Status.CANCELLED}
    )
    stream_field = "order_id"
    UNDER_WAY = (Status.DISPATCHED, Status.IN_TRANSIT, Status.EXCEPTION)
    BOOKKEEPING = ("track_at", "track_failures", "track_error")

    items: Any  # the reverse of ShipmentItem.shipment
    labels: Any  # the reverse of Label.shipment
    scans: Any  # the reverse of Scan.shipment

    id = PublicIdField("ship")
    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="+")
    fulfillment = models.ForeignKey("fulfillment.Fulfillment", models.PROTECT, related_name="+")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.CREATED)
    warehouse_id = models.CharField(max_length=64, null=True)
    carrier = models.CharField(max_length=64)  # as people write it
    service = models.CharField(max_length=64)
    adapter = models.CharField(max_length=16, choices=Adapters.choices)
    account = models.CharField(max_length=64, null=True)  # the organization's at the carrier
    currency = CurrencyField()  # the order's
    shipping_cost = MoneyField()  # what the customer pays, before tax
    signature_required = models.BooleanField()
    packages = models.JSONField()  # weight in kg, length, width, height in cm
    weight = models.DecimalField(max_digits=9, decimal_places=3)  # kg, of all packages
    tracking_number = models.CharField(max_length=64, null=True)
    label_url = models.URLField(
        max_length=1000, default=""
    )  # the carrier's, if the PDF is not ours
    carrier_cost = MoneyField(null=True)  # what the carrier charges us
    carrier_currency = CurrencyField(null=True)
    estimated_delivery = models.DateField(null=True)
    dispatched_at = models.DateTimeField(null=True)
    last_scan_at = models.DateTimeField(null=True)  # of those that moved it
    location = models.CharField(max_length=200, null=True)
    delivered_at = models.DateTimeField(null=True)
    recipient = models.CharField(max_length=200, null=True)
    signature = models.TextField(null=True)
    delivery_photo_url = models.URLField(max_length=1000, null=True)
    cancelled_at = models.DateTimeField(null=True)
    track_at = models.DateTimeField(null=True)  # when the carrier is asked next where it is
    track_failures = models.PositiveIntegerField(default=0)  # since it last answered
    track_error = models.CharField(max_length=500, default="")

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(
                "organization_id",
                Lower("carrier"),
                "tracking_number",
                name="one_parcel_per_tracking_number",
                # Carriers use their numbers again, some time after they have done with them.
                condition=Q(
                    status__in=["label_created", "dispatched", "in_transit", "exception"],
                    tracking_number__isnull=False,
                ),
            ),
            models.CheckConstraint(
                condition=Q(shipping_cost__gte=0)
                & (Q(carrier_cost=None) | Q(carrier_cost__gte=0, carrier_currency__isnull=False)),
                name="shipment_costs",
            ),
            models.CheckConstraint(condition=STATUS_HAS_ITS_MOMENTS, name="shipment_moments"),
            models.CheckConstraint(
                condition=Q(track_at=None)
                | Q(status__in=["dispatched", "in_transit", "exception"]),
                name="shipment_tracked_under_way",
            ),
        ]
        indexes = [
            models.Index(fields=["order"], name="shipment_order"),
            models.Index(fields=["fulfillment"], name="shipment_fulfillment"),
            models.Index(fields=["organization_id", "-id"], name="shipment_list"),
            models.Index(fields=["status", "organization_id", "-id"], name="shipment_status"),
            models.Index(
                fields=["warehouse_id", "organization_id", "-id"], name="shipment_warehouse"
            ),
            models.Index(
                Upper("carrier"), F("organization_id"), F("id").desc(), name="shipment_carrier"
            ),
            models.Index(fields=["adapter"], name="shipment_adapter"),
            models.Index(fields=["organization_id", "updated_at"], name="shipment_updated"),
            models.Index(
                fields=["tracking_number"],
                name="shipment_tracking_number",
                condition=Q(tracking_number__isnull=False),
            ),
            models.Index(
                fields=["-id"],
                name="shipment_open",
                condition=Q(status__in=["created", "label_created"]),
            ),
            models.Index(
                fields=["-id"],
                name="shipment_underway",
                condition=Q(status__in=["dispatched", "in_transit", "exception"]),
            ),
            models.Index(
                fields=["track_at"], name="shipment_track", condition=Q(track_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @cached_property
    def lines(self) -> list[ShipmentItem]:
        """What travels in it."""
        return list(self.items.all())

    @cached_property
    def tries(self) -> list[Label]:
        """The labels that were asked for, oldest first."""
        return list(self.labels.all())

    @cached_property
    def sightings(self) -> list[Scan]:
        """The scans, as they happened."""
        return list(self.scans.all())

    @property
    def units(self) -> dict[str, int]:
        """How many units of which of the order's lines."""
        return {str(line.order_item_id): line.quantity for line in self.lines}

    @property
    def label(self) -> Label | None:
        """The one that is wanted or bought, else the latest that was asked for."""
        latest = self.tries[-1] if self.tries else None
        return next((label for label in self.tries if label.is_in_use), latest)

    @property
    def sold_label(self) -> Label | None:
        """The one that a carrier has sold, and that nobody has given back."""
        label = self.label
        return label if label and label.status == Label.Status.BOUGHT else None

    @property
    def is_under_way(self) -> bool:
        """It has left and has not come to its end."""
        return self.status in self.UNDER_WAY

    def is_late(self, today: date) -> bool:
        """Whether it should have arrived before."""
        expected = self.estimated_delivery
        return self.is_under_way and expected is not None and expected < today

    def want_tracking(self, now: datetime) -> None:
        """From here on its carrier is asked where it is, if it can be asked."""
        self.track_at = None if self.adapter == Adapters.MANUAL else now + EVERY

    def plan_tracking(self, now: datetime, *, error: str = "") -> None:
        """Decide when the carrier is asked next: later each time while it does not answer."""
        self.track_failures = self.track_failures + 1 if error else 0
        self.track_error = error[:500]
        if self.is_under_way:
            repeats = max(self.track_failures - 1, 0)
            pause = doubled(repeats, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
            self.track_at = now + (pause if error else EVERY)
