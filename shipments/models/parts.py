"""What a shipment is made of. Each part is saved by the shipment that it belongs to."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q

from config.core.ids import PublicIdField
from config.core.money import CurrencyField, MoneyField
from config.core.retry import doubled
from events.aggregate import Part

GRACE = timedelta(seconds=5)  # in which whoever wants a call makes it, before the timer does
FIRST_PAUSE = timedelta(seconds=10)  # between two calls, doubled each time
LONGEST_PAUSE = timedelta(hours=1)


class ShipmentItem(Part):
    """Units of one of the order's lines that travel in the shipment."""

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


class Label(Part):
    """A label that a carrier is to sell, has sold, or is to take back: an intent until then."""

    class Status(models.TextChoices):
        WANTED = "wanted"
        BOUGHT = "bought"
        REFUSED = "refused"
        VOID_WANTED = "void_wanted"
        VOIDED = "voided"
        VOID_REFUSED = "void_refused"

    IN_USE = (Status.WANTED, Status.BOUGHT)
    TO_ASK = (Status.WANTED, Status.VOID_WANTED)

    id = PublicIdField("lab")
    shipment = models.ForeignKey("shipments.Shipment", models.PROTECT, related_name="labels")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.WANTED)
    requested_by = models.CharField(max_length=150)
    requested_at = models.DateTimeField()
    asked_at = models.DateTimeField(null=True)  # the first time that the carrier was asked
    asked_last_at = models.DateTimeField(null=True)  # the last time that it was to sell it
    reference = models.CharField(max_length=255, null=True)  # the carrier's name for it
    tracking_number = models.CharField(max_length=64, null=True)
    carrier_cost = MoneyField(null=True)
    carrier_currency = CurrencyField(null=True)
    path = models.CharField(max_length=200, default="")  # in the default storage, if it is ours
    sha256 = models.CharField(max_length=64, default="")
    settled_at = models.DateTimeField(null=True)  # when the carrier last said what came of it
    due_at = models.DateTimeField(null=True)  # when the carrier is to be asked next
    claimed_until = models.DateTimeField(null=True)  # somebody asks the carrier at this moment
    calls = models.PositiveIntegerField(default=0)  # since something was wanted of it
    last_error = models.CharField(max_length=500, default="")

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
        """It is the label of its shipment, or about to be."""
        return self.status in self.IN_USE

    @property
    def may_be_asked_again(self) -> bool:
        """Its carrier has not said what comes of it, or does not take it back."""
        return self.due_at is not None or self.status == self.Status.VOID_REFUSED

    @property
    def is_to_void(self) -> bool:
        """Nobody uses it: the carrier is to take it back."""
        return self.status == self.Status.VOID_WANTED

    def is_claimed(self, now: datetime) -> bool:
        """Somebody is asking the carrier at this moment, or has been killed while asking."""
        return self.claimed_until is not None and self.claimed_until > now

    def is_to_ask(self, now: datetime) -> bool:
        """Something is wanted, nobody is asking for it, and it is not too soon to ask again."""
        if self.due_at is None or self.is_claimed(now):
            return False
        return not self.calls or self.due_at <= now

    def claim(self, now: datetime, until: datetime) -> None:
        """Somebody asks the carrier now; the timer follows if nothing is heard of that."""
        self.asked_at = self.asked_at or now
        if not self.is_to_void:
            self.asked_last_at = now
        self.calls, self.claimed_until, self.due_at = self.calls + 1, until, until

    def want_call(self, now: datetime) -> None:
        """Something is wanted of the carrier: whoever wants it asks, else soon the timer."""
        self.due_at, self.calls = now + GRACE, 0

    def plan_call(self, error: str, now: datetime) -> None:
        """The carrier has not answered: it is asked again, later each time."""
        repeats = max(self.calls - 1, 0)
        self.due_at = now + doubled(repeats, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
        self.last_error = error[:500]

    def void(self, now: datetime) -> None:
        """Nobody uses it: the carrier is to take it back; a call under way is waited for."""
        self.status = self.Status.VOID_WANTED
        if not self.is_claimed(now):
            self.want_call(now)

    def settle(self, status: str, now: datetime, error: str = "") -> None:
        """The carrier has said what comes of it."""
        self.status, self.settled_at = status, now
        self.due_at = self.claimed_until = None
        self.last_error = error[:500]


class Scan(Part):
    """What a carrier has seen of a parcel; each is told once, by whatever way it came."""

    class Status(models.TextChoices):
        PRE_TRANSIT = "pre_transit"
        IN_TRANSIT = "in_transit"
        EXCEPTION = "exception"
        DELIVERED = "delivered"
        LOST = "lost"
        RETURNED_TO_SENDER = "returned_to_sender"

    shipment = models.ForeignKey("shipments.Shipment", models.PROTECT, related_name="scans")
    scan_id = models.CharField(max_length=255)
    status = models.CharField(max_length=20, choices=Status.choices)
    occurred_at = models.DateTimeField()
    location = models.CharField(max_length=200, null=True)
    description = models.CharField(max_length=500, null=True)
    recorded_at = models.DateTimeField()
    counts = models.BooleanField()  # it moved the shipment; else it came too late to

    class Meta:
        ordering = ["occurred_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["shipment", "scan_id"], name="one_effect_per_scan")
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.scan_id}"
