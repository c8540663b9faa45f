"""Shipments: their columns, their derived values and their transitions."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper

from config.core import request_context
from config.core.ids import PublicIdField
from config.core.money import CurrencyField, MoneyField, money
from config.core.outbound import OutboundCall
from events.aggregate import Aggregate, PartList, transition
from events.schema import Event
from orders.events import LineUnits
from shipments import events
from shipments.models.account import Adapter
from shipments.models.parts import Label, ParcelNumber, Scan, ShipmentItem

TRACKING_INTERVAL = timedelta(minutes=30)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=6)  # between failed calls

_NOT_DISPATCHED = Q(dispatched_at=None, delivered_at=None, cancelled_at=None)
_DISPATCHED = Q(dispatched_at__isnull=False, cancelled_at__isnull=True)
_MOMENTS_MATCH_STATUS = (
    (Q(status="created", tracking_number=None) & _NOT_DISPATCHED)
    | (Q(status="label_created", tracking_number__isnull=False) & _NOT_DISPATCHED)
    | (Q(status__in=["dispatched", "in_transit", "exception"], delivered_at=None) & _DISPATCHED)
    | (Q(status="delivered", delivered_at__isnull=False) & _DISPATCHED)
    | (Q(status__in=["lost", "returned_to_sender"], delivered_at=None) & _DISPATCHED)
    | Q(Q(status="cancelled", dispatched_at=None), cancelled_at__isnull=False)
)


class Shipment(OutboundCall, Aggregate):
    """Packed units of an order that travel together. Its outbound call is the tracking call."""

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

    OPEN = (Status.CREATED, Status.LABEL_CREATED)
    UNDER_WAY = (Status.DISPATCHED, Status.IN_TRANSIT, Status.EXCEPTION)
    terminal_statuses = frozenset(
        {Status.DELIVERED, Status.LOST, Status.RETURNED_TO_SENDER, Status.CANCELLED}
    )
    created_event = events.ShipmentCreated
    stream_field = "order_id"

    id = PublicIdField("ship")
    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="+")
    fulfillment = models.ForeignKey("fulfillment.Fulfillment", models.PROTECT, related_name="+")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.CREATED)
    warehouse_id = models.CharField(max_length=64, null=True)
    carrier = models.CharField(max_length=64)  # the name as in the order or the request
    service = models.CharField(max_length=64)
    adapter = models.CharField(max_length=16, choices=Adapter.choices)
    account = models.CharField(max_length=64, null=True)  # the organization's, with the carrier
    currency = CurrencyField()  # of the order
    shipping_cost = MoneyField()  # what the customer pays, as the order states its prices
    signature_required = models.BooleanField()
    packages = models.JSONField()  # weight in kg; length, width and height in cm
    weight = models.DecimalField(max_digits=9, decimal_places=3)  # kg, of all packages
    tracking_number = models.CharField(max_length=64, null=True)  # the first one, as in events
    further_numbers = models.JSONField(default=list, db_default=[])
    label_url = models.URLField(max_length=1000, default="")  # blank if we store the PDF
    further_label_urls = models.JSONField(default=list, db_default=[])
    carrier_cost = MoneyField(null=True)  # what the carrier charges the organization
    carrier_currency = CurrencyField(null=True)
    estimated_delivery = models.DateField(null=True)
    dispatched_at = models.DateTimeField(null=True)
    last_scan_at = models.DateTimeField(null=True)  # of the scans that count
    location = models.CharField(max_length=200, null=True)
    delivered_at = models.DateTimeField(null=True)
    recipient = models.CharField(max_length=200, null=True)
    signature = models.TextField(null=True)
    delivery_photo_url = models.URLField(max_length=1000, null=True)
    cancelled_at = models.DateTimeField(null=True)
    # `shipments.selectors.with_parts` loads these.
    is_received: bool  # units came back to a warehouse
    shares_number: bool  # with a shipment of another order, because they are in one box
    lines = PartList[ShipmentItem]("items")  # in the order in which they were given
    labels = PartList[Label]("label_set")  # all that were requested, oldest first
    scans = PartList[Scan]("scan_set")  # in the order of their time

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(shipping_cost__gte=0)
                & (Q(carrier_cost=None) | Q(carrier_cost__gte=0, carrier_currency__isnull=False)),
                name="shipment_costs",
            ),
            models.CheckConstraint(condition=_MOMENTS_MATCH_STATUS, name="shipment_moments"),
            models.CheckConstraint(
                condition=Q(due_at=None) | Q(status__in=["dispatched", "in_transit", "exception"]),
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
                fields=["due_at"], name="shipment_track", condition=Q(due_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def units(self) -> dict[str, int]:
        """The quantities by id of the order's line."""
        return {str(line.order_item_id): line.quantity for line in self.lines}

    @property
    def tracking_numbers(self) -> list[str]:
        """All numbers of its parcels, the first one first."""
        return [self.tracking_number, *self.further_numbers] if self.tracking_number else []

    @property
    def label(self) -> Label | None:
        """The label that is being bought or is bought, otherwise the latest one."""
        latest = self.labels[-1] if self.labels else None
        return next((label for label in self.labels if label.is_in_use), latest)

    @property
    def bought_label(self) -> Label | None:
        """The label that a carrier sold, unless it is being voided."""
        label = self.label
        return label if label and label.status == Label.Status.BOUGHT else None

    @property
    def is_under_way(self) -> bool:
        """Whether it is dispatched, and neither delivered, lost nor returned."""
        return self.status in self.UNDER_WAY

    def is_late(self, today: date) -> bool:
        """Whether it is under way and was expected before today."""
        expected = self.estimated_delivery
        return self.is_under_way and expected is not None and expected < today

    def order_is_not_held(self) -> bool:
        """its order is not on hold"""
        return self.order.is_not_held()

    @property
    def is_labeled_by_hand(self) -> bool:
        """Whether its adapter is `manual`, so that the label is entered by hand."""
        return self.adapter == Adapter.MANUAL

    def no_purchase_is_pending(self) -> bool:
        """no purchase of its label is pending"""
        return self.label is None or self.label.status != Label.Status.WANTED

    def can_buy_label(self) -> bool:
        """its carrier sells labels, and no purchase is pending"""
        return not self.is_labeled_by_hand and self.no_purchase_is_pending()

    def nothing_came_back(self) -> bool:
        """no warehouse has received units of it"""
        return not self.is_received

    @property
    def is_cancelled(self) -> bool:
        """Whether it is cancelled."""
        return self.status == self.Status.CANCELLED

    @property
    def was_lost(self) -> bool:
        """Whether it was marked as lost, so that its units were planned or written off again."""
        return self.is_all(Scan.Status.LOST)

    def is_all(self, status: str, *, number: str | None = None) -> bool:
        """Whether scans that count say this of the whole shipment, or of each of its numbers.

        `number` is the one that is scanned now.
        """
        said = {
            scan.tracking_number for scan in self.scans if scan.counts and scan.status == status
        }
        said |= {number} if number else set()
        return None in said or bool(said and said.issuperset(self.tracking_numbers))

    def stores_a_label(self) -> bool:
        """the PDF of a label is stored here, not by the carrier"""
        return any(label.path for label in self.labels)

    def can_be_dispatched(self) -> bool:
        """it has a label, or its adapter is `manual`"""
        return self.status == self.Status.LABEL_CREATED or self.is_labeled_by_hand

    @classmethod
    def create(cls, *, lines: Sequence[ShipmentItem], **fields: Any) -> "Shipment":
        """Return a new shipment of these items; the caller saves it."""
        shipment = cls(**fields)
        shipment.lines, shipment.labels, shipment.scans = list(lines), [], []
        for line in lines:
            line.shipment = shipment
        shipment.save_part(*lines)
        shipment.record(events.ShipmentCreated.of(shipment))
        return shipment

    @transition(
        source=Status.CREATED,
        target=Status.LABEL_CREATED,
        emits=events.ShipmentLabelCreated,
        verb="label",
        guards=[no_purchase_is_pending, order_is_not_held],
    )
    def record_label(
        self, *, tracking_numbers: Sequence[str], label_url: str, carrier_cost: Decimal | None
    ) -> Event:
        """Record a label that an operator bought elsewhere, or the box of another order."""
        self.label_url = label_url
        return self._set_label(tracking_numbers, label_url, carrier_cost, self.currency)

    @transition(
        source=Status.CREATED,
        target=None,
        emits=events.ShipmentLabelRequested,
        verb="label",
        guards=[can_buy_label, order_is_not_held],
    )
    def request_label(self, *, at: datetime) -> None:
        """Request a label from the carrier."""
        label = Label(shipment=self, requested_by=request_context.current().actor, requested_at=at)
        label.request_call(at)
        self.labels.append(label)
        self.save_part(label)

    @transition(
        source=Status.CREATED, target=Status.LABEL_CREATED, emits=events.ShipmentLabelCreated
    )
    def receive_label(
        self,
        *,
        label: Label,
        url: str,
        further: Mapping[str, str | None],
        estimated_delivery: date | None,
        at: datetime,
    ) -> Event:
        """Record the label that the carrier sold; `url` leads to its PDF.

        `further` has the URLs of the labels of further packages, by their numbers.
        """
        assert label.tracking_number is not None, "a bought label has a number"
        assert label.carrier_cost is not None, "a bought label has a price"
        assert label.carrier_currency, "a price has a currency"
        label.settle(Label.Status.BOUGHT, at)
        self.save_part(label)
        self.label_url = "" if label.path else url
        self.further_label_urls = [each for each in further.values() if each]
        self.estimated_delivery = estimated_delivery
        cost, currency = label.carrier_cost, label.carrier_currency
        return self._set_label([label.tracking_number, *further], url, cost, currency)

    @transition(source=Status.CREATED, target=None, emits=events.ShipmentLabelRefused)
    def refuse_label(self, *, label: Label, error: str, at: datetime) -> Event:
        """Record that the carrier refused to sell the label; another can be requested."""
        label.settle(Label.Status.REFUSED, at, error)
        self.save_part(label)
        return events.ShipmentLabelRefused(
            shipment_id=self.id, order_id=self.order_id, error=label.last_error
        )

    @transition(
        source=OPEN,
        target=Status.DISPATCHED,
        emits=events.ShipmentDispatched,
        verb="dispatch",
        guards=[can_be_dispatched, order_is_not_held],
    )
    def dispatch(self, *, estimated_delivery: date | None, at: datetime) -> None:
        """Dispatch the shipment: it left the warehouse."""
        self._set_dispatched(estimated_delivery, at)

    @transition(
        source=Status.LABEL_CREATED,
        target=Status.DISPATCHED,
        emits=events.ShipmentDispatched,
        verb="scan",
    )
    def mark_collected(self, *, at: datetime) -> None:
        """Record a scan at the carrier: the shipment has left the warehouse."""
        self._set_dispatched(None, at)

    @transition(
        source=UNDER_WAY, target=Status.IN_TRANSIT, emits=events.ShipmentInTransit, verb="scan"
    )
    def mark_in_transit(self, *, scan: Scan) -> Event:
        """Record a scan of the shipment on its way."""
        self.record_scan(scan)
        return events.ShipmentInTransit.of(
            self, current_location=self.location, status_description=scan.description
        )

    @transition(
        source=UNDER_WAY, target=Status.EXCEPTION, emits=events.ShipmentException, verb="scan"
    )
    def mark_exception(self, *, scan: Scan) -> Event:
        """Record a problem that the carrier reports; the shipment may still arrive."""
        self.record_scan(scan)
        return self._problem(events.ShipmentException, scan)

    @transition(
        source=(*UNDER_WAY, Status.LOST),
        target=Status.DELIVERED,
        emits=events.ShipmentDelivered,
        verb="deliver",
    )
    def deliver(
        self,
        *,
        recipient: str | None,
        signature: str | None,
        delivery_photo_url: str | None,
        at: datetime,
    ) -> None:
        """Record the delivery, also that of a shipment that was lost and turned up."""
        self.recipient, self.signature = recipient, signature
        self.delivery_photo_url, self.delivered_at = delivery_photo_url, at
        self.finish_call()

    @transition(source=Status.EXCEPTION, target=Status.LOST, emits=events.ShipmentLost, verb="scan")
    def mark_lost(self, *, scan: Scan) -> Event:
        """Mark the shipment as lost; its units are to be sent again or written off."""
        self.record_scan(scan)
        self.finish_call()
        return self._problem(events.ShipmentLost, scan)

    @transition(
        source=(Status.EXCEPTION, Status.LOST),
        target=Status.RETURNED_TO_SENDER,
        emits=events.ShipmentReturnedToSender,
        verb="scan",
    )
    def mark_returned_to_sender(self, *, scan: Scan) -> Event:
        """Mark the shipment as returned; a return expects its units."""
        self.record_scan(scan)
        self.finish_call()
        return self._problem(events.ShipmentReturnedToSender, scan)

    @transition(
        source=Status.RETURNED_TO_SENDER,
        target=Status.EXCEPTION,
        emits=events.ShipmentReturnRevoked,
        verb="deliver",
        guards=[nothing_came_back],
    )
    def revoke_return(self) -> None:
        """Expect it no more at its sender, because it is delivered after all."""

    @transition(source=OPEN, target=Status.CANCELLED, emits=events.ShipmentCancelled, verb="cancel")
    def cancel(self, *, reason: str, at: datetime) -> Event:
        """Cancel the shipment: its units stay packed, and its label is voided."""
        self.cancelled_at = at
        self.void_label(at)
        return events.ShipmentCancelled.of(self, reason=reason)

    @transition(
        source=[status for status in Status if status not in ("created", "cancelled")],
        target=None,
        emits=events.ShipmentLinksRevoked,
        verb="revoke-links",
        guards=[stores_a_label],
    )
    def revoke_links(self) -> None:
        """Revoke the links that open its labels without a token."""

    def record_scan(self, scan: Scan) -> None:
        """Take over the time and place of a scan that counts."""
        self.last_scan_at = max(self.last_scan_at or scan.occurred_at, scan.occurred_at)
        self.location = scan.location or self.location

    def void_label(self, at: datetime) -> None:
        """Request that the carrier voids the label, if there is one in use."""
        label = self.label
        if label is None or not label.is_in_use:
            return
        if label.first_called_at is None:
            label.settle(Label.Status.VOIDED, at)
        else:
            label.request_void(at)
        self.save_part(label)

    def schedule_tracking(self, now: datetime, *, error: str = "") -> None:
        """Schedule the next tracking call, earlier after a failed one."""
        if error:
            self.schedule_retry(now, error, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
        else:
            self.last_error = ""
            self.request_call(now, after=TRACKING_INTERVAL)

    def _problem(self, event: type[events.DeliveryProblem], scan: Scan) -> Event:
        items = [LineUnits.of(line) for line in self.lines]
        return event.of(self, items=items, status_description=scan.description)

    def _set_label(
        self, numbers: Sequence[str], url: str, carrier_cost: Decimal | None, currency: str
    ) -> Event:
        self.tracking_number, *self.further_numbers = numbers
        if self.further_numbers:
            self.save_part(
                *(ParcelNumber(shipment=self, tracking_number=n, is_shared=False) for n in numbers)
            )
        self.carrier_cost = carrier_cost
        self.carrier_currency = None if carrier_cost is None else currency
        return events.ShipmentLabelCreated(
            shipment_id=self.id,
            tracking_number=self.tracking_number,
            label_url=url or None,
            carrier_cost=None if carrier_cost is None else money(carrier_cost, currency),
        )

    def _set_dispatched(self, estimated_delivery: date | None, at: datetime) -> None:
        self.estimated_delivery = estimated_delivery or self.estimated_delivery
        self.dispatched_at = at
        if self.adapter != Adapter.MANUAL:
            self.request_call(at, after=TRACKING_INTERVAL)
