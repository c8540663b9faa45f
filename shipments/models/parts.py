"""The parts of a shipment: its items, labels, scans and numbers. The shipment saves them."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q

from config.core.ids import PublicIdField
from config.core.money import CurrencyField, MoneyField
from config.core.outbound import OutboundCall
from events.aggregate import Part


class ShipmentItem(Part):
    """Units of one line of the order that travel in the shipment."""

    shipment = models.ForeignKey("shipments.Shipment", models.PROTECT, related_name="items")
    order_item = models.ForeignKey("orders.OrderItem", models.PROTECT, related_name="+")
    variant_id = models.CharField(max_length=64)
    title = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["shipment", "order_item"], name="one_shipment_item_per_line"
            ),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="shipment_item_quantity"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.variant_id}"


class Label(OutboundCall, Part):
    """A label that is to be bought, is bought, or is to be voided."""

    class Status(models.TextChoices):
        """The status of a label.

        - `wanted`: the purchase is requested, and the carrier has not responded yet.
        - `bought`: the label can be used.
        - `refused`: the carrier has refused to sell it; `error` says why.
        - `void_wanted`: the refund is requested, and the carrier has not responded yet.
        - `voided`: the carrier has refunded it.
        - `void_refused`: the carrier has refused to refund it; `error` says why.
        """

        WANTED = "wanted"
        BOUGHT = "bought"
        REFUSED = "refused"
        VOID_WANTED = "void_wanted"
        VOIDED = "voided"
        VOID_REFUSED = "void_refused"

    IN_USE = (Status.WANTED, Status.BOUGHT)
    PENDING = (Status.WANTED, Status.VOID_WANTED)

    id = PublicIdField("lab")
    shipment = models.ForeignKey("shipments.Shipment", models.PROTECT, related_name="label_set")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.WANTED)
    requested_by = models.CharField(max_length=150)
    requested_at = models.DateTimeField()
    first_called_at = models.DateTimeField(null=True)
    last_purchase_call_at = models.DateTimeField(null=True)
    # The carrier's id of it; those of the labels of several packages have blanks between them.
    reference = models.CharField(max_length=1000, null=True)
    tracking_number = models.CharField(max_length=64, null=True)
    carrier_cost = MoneyField(null=True)
    carrier_currency = CurrencyField(null=True)
    path = models.CharField(max_length=200, default="")  # of the PDF in the default storage, if any
    sha256 = models.CharField(max_length=64, default="")
    settled_at = models.DateTimeField(null=True)  # when the carrier gave its latest result

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["shipment"],
                name="one_label_per_shipment",
                condition=Q(status__in=["wanted", "bought"]),
            ),
            models.CheckConstraint(
                condition=Q(status__in=["wanted", "void_wanted"], due_at__isnull=False)
                | (~Q(status__in=["wanted", "void_wanted"]) & Q(due_at=None)),
                name="label_is_due_while_open",
            ),
            models.CheckConstraint(
                condition=~Q(status="bought")
                | Q(
                    tracking_number__isnull=False,
                    carrier_cost__gte=0,
                    carrier_currency__isnull=False,
                ),
                name="label_bought_is_whole",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="label_due", condition=Q(due_at__isnull=False)),
            models.Index(
                fields=["shipment"],
                name="label_failing",
                condition=Q(status__in=["refused", "voided", "void_refused"])
                | (Q(status__in=["wanted", "void_wanted"]) & ~Q(last_error="")),
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_in_use(self) -> bool:
        """Whether it is its shipment's label, or is being bought as such."""
        return self.status in self.IN_USE

    @property
    def can_be_retried(self) -> bool:
        """Whether a call is due, or the carrier refused to void the label."""
        return self.due_at is not None or self.status == self.Status.VOID_REFUSED

    @property
    def is_void_pending(self) -> bool:
        """Whether the carrier still has to void the label."""
        return self.status == self.Status.VOID_WANTED

    def lease(self, now: datetime, duration: timedelta) -> datetime:
        self.first_called_at = self.first_called_at or now
        if not self.is_void_pending:
            self.last_purchase_call_at = now
        return super().lease(now, duration)

    def request_void(self, now: datetime) -> None:
        """Let the carrier void the label; a running call ends first."""
        self.status = self.Status.VOID_WANTED
        if not self.is_leased(now):
            self.request_call(now)

    def settle(self, status: str, now: datetime, error: str = "") -> None:
        """Record the carrier's result, which needs no further call."""
        self.status, self.settled_at = status, now
        self.finish_call(error)


class Scan(Part):
    """A tracking scan of the carrier. It has its effect once, however often it is received."""

    class Status(models.TextChoices):
        PRE_TRANSIT = "pre_transit"
        IN_TRANSIT = "in_transit"
        EXCEPTION = "exception"
        DELIVERED = "delivered"
        LOST = "lost"
        RETURNED_TO_SENDER = "returned_to_sender"

    shipment = models.ForeignKey("shipments.Shipment", models.PROTECT, related_name="scan_set")
    scan_id = models.CharField(max_length=255)
    # Of one of several parcels; null if the scan is about the whole shipment.
    tracking_number = models.CharField(max_length=64, null=True)
    status = models.CharField(max_length=20, choices=Status.choices)
    occurred_at = models.DateTimeField()
    location = models.CharField(max_length=200, null=True)
    description = models.CharField(max_length=500, null=True)
    recorded_at = models.DateTimeField()
    counts = models.BooleanField()  # whether it changed the shipment; false if it came too late

    class Meta:
        ordering = ["occurred_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["shipment", "scan_id"], name="one_effect_per_scan")
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.scan_id}"


class ParcelNumber(Part):
    """A tracking number by which more than the first one of a shipment is found.

    A shipment with several numbers has a row for each, and so have all shipments that share one.
    """

    shipment = models.ForeignKey("shipments.Shipment", models.PROTECT, related_name="number_set")
    tracking_number = models.CharField(max_length=64)
    is_shared = models.BooleanField()  # by shipments of several orders in one box

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["shipment", "tracking_number"], name="one_row_per_parcel_number"
            )
        ]
        indexes = [models.Index(fields=["tracking_number"], name="parcel_number")]

    def __str__(self) -> str:
        return self.tracking_number
