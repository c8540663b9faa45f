"""The life of a shipment on one page."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from config.core import request_context
from config.core.money import money
from events.aggregate import transition
from events.schema import Event
from shipments import events
from shipments.models.parts import Label, Scan, ShipmentItem
from shipments.models.record import ShipmentRecord


class Shipment(ShipmentRecord):
    """Packed units that travel together, under one tracking number."""

    created_event = events.ShipmentCreated
    Status = ShipmentRecord.Status

    def is_labelled_by_hand(self) -> bool:
        """somebody writes the label by hand; this carrier sells it"""
        return self.adapter == self.Adapter.MANUAL

    def has_no_label_under_way(self) -> bool:
        """the carrier sells labels, and is not about to sell one"""
        label = self.label
        is_wanted = label is not None and label.status == Label.Status.WANTED
        return self.adapter != self.Adapter.MANUAL and not is_wanted

    def may_leave(self) -> bool:
        """it has a label, or goes with one's own fleet"""
        return self.status == self.Status.LABEL_CREATED or self.is_labelled_by_hand()

    @classmethod
    def create(cls, *, lines: Sequence[ShipmentItem], **fields: Any) -> "Shipment":
        """Packed units are to travel together."""
        shipment = cls(**fields)
        shipment.lines, shipment.tries, shipment.sightings = list(lines), [], []
        for line in lines:
            line.shipment = shipment
            shipment.save_part(line)
        shipment.record(events.ShipmentCreated.of(shipment))
        return shipment

    @transition(
        source=Status.CREATED,
        target=Status.LABEL_CREATED,
        emits=events.ShipmentLabelCreated,
        verb="label",
        guards=[is_labelled_by_hand],
    )
    def write_label(
        self, *, tracking_number: str, label_url: str, carrier_cost: Decimal | None
    ) -> Event:
        """Somebody has the carrier's label in hand."""
        self.label_url = label_url
        return self.put_label(tracking_number, label_url, carrier_cost, self.currency)

    @transition(
        source=Status.CREATED,
        target=None,
        emits=events.ShipmentLabelRequested,
        verb="label",
        guards=[has_no_label_under_way],
    )
    def request_label(self, *, at: datetime) -> None:
        """The carrier is to sell a label."""
        label = Label(shipment=self, requested_by=request_context.current().actor, requested_at=at)
        label.want_call(at)
        self.tries.append(label)
        self.save_part(label)

    @transition(
        source=Status.CREATED, target=Status.LABEL_CREATED, emits=events.ShipmentLabelCreated
    )
    def take_label(
        self, *, label: Label, url: str, estimated_delivery: date | None, at: datetime
    ) -> Event:
        """The carrier has sold a label, of which `url` shows the document."""
        assert label.tracking_number is not None, "what is sold has a number"
        assert label.carrier_cost is not None, "and a price"
        assert label.carrier_currency, "in a currency"
        label.settle(Label.Status.BOUGHT, at)
        self.save_part(label)
        self.label_url = "" if label.path else url
        self.estimated_delivery = estimated_delivery
        cost, currency = label.carrier_cost, label.carrier_currency
        return self.put_label(label.tracking_number, url, cost, currency)

    @transition(source=Status.CREATED, target=None, emits=events.ShipmentLabelRefused)
    def refuse_label(self, *, label: Label, error: str, at: datetime) -> Event:
        """The carrier sells none for it as it is; another may be asked for."""
        label.settle(Label.Status.REFUSED, at, error)
        self.save_part(label)
        return events.ShipmentLabelRefused(
            shipment_id=self.id, order_id=self.order_id, error=label.last_error
        )

    @transition(
        source=(Status.CREATED, Status.LABEL_CREATED),
        target=Status.DISPATCHED,
        emits=events.ShipmentDispatched,
        verb="dispatch",
        guards=[may_leave],
    )
    def dispatch(self, *, estimated_delivery: date | None, at: datetime) -> None:
        """It has left the warehouse."""
        self.leave(estimated_delivery, at)

    @transition(
        source=Status.LABEL_CREATED,
        target=Status.DISPATCHED,
        emits=events.ShipmentDispatched,
        verb="scan",
    )
    def be_collected(self, *, at: datetime) -> None:
        """The carrier has it, so it has left, though nobody has said so."""
        self.leave(None, at)

    @transition(
        source=ShipmentRecord.UNDER_WAY,
        target=Status.IN_TRANSIT,
        emits=events.ShipmentInTransit,
        verb="scan",
    )
    def travel(self, *, scan: Scan) -> Event:
        """The carrier has seen it on its way."""
        self.see(scan)
        return events.ShipmentInTransit.of(self, description=scan.description)

    @transition(
        source=ShipmentRecord.UNDER_WAY,
        target=Status.EXCEPTION,
        emits=events.ShipmentException,
        verb="scan",
    )
    def meet_exception(self, *, scan: Scan) -> Event:
        """The carrier has a problem with it; it may yet arrive."""
        self.see(scan)
        return self.told(events.ShipmentException, scan)

    @transition(
        source=ShipmentRecord.UNDER_WAY,
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
        """It has arrived."""
        self.recipient, self.signature = recipient, signature
        self.delivery_photo_url, self.delivered_at = delivery_photo_url, at
        self.track_at = None

    @transition(source=Status.EXCEPTION, target=Status.LOST, emits=events.ShipmentLost, verb="scan")
    def be_lost(self, *, scan: Scan) -> Event:
        """It will not arrive: its units are sent again, or written off."""
        self.see(scan)
        self.track_at = None
        return self.told(events.ShipmentLost, scan)

    @transition(
        source=Status.EXCEPTION,
        target=Status.RETURNED_TO_SENDER,
        emits=events.ShipmentReturnedToSender,
        verb="scan",
    )
    def come_back(self, *, scan: Scan) -> Event:
        """It is here again, unopened: its units are sent again, or written off."""
        self.see(scan)
        self.track_at = None
        return self.told(events.ShipmentReturnedToSender, scan)

    @transition(
        source=(Status.CREATED, Status.LABEL_CREATED),
        target=Status.CANCELLED,
        emits=events.ShipmentCancelled,
        verb="cancel",
    )
    def cancel(self, *, reason: str, at: datetime) -> Event:
        """It will not travel; what is in it stays packed, and its label goes back."""
        self.cancelled_at = at
        self.void_label(at)
        return events.ShipmentCancelled(shipment_id=self.id, order_id=self.order_id, reason=reason)

    def put_label(
        self, tracking_number: str, url: str, carrier_cost: Decimal | None, currency: str
    ) -> Event:
        """Note what is on the label, and what it costs if that is known."""
        self.tracking_number, self.carrier_cost = tracking_number, carrier_cost
        self.carrier_currency = None if carrier_cost is None else currency
        return events.ShipmentLabelCreated(
            shipment_id=self.id,
            tracking_number=tracking_number,
            label_url=url or None,
            carrier_cost=None if carrier_cost is None else money(carrier_cost, currency),
        )

    def void_label(self, at: datetime) -> None:
        """Have the carrier take back what nobody needs; a call under way is waited for."""
        label = self.label
        if label is None or not label.is_in_use:
            return
        if label.asked_at is None:
            label.settle(Label.Status.VOIDED, at)
        else:
            label.void(at)
        self.save_part(label)

    def leave(self, estimated_delivery: date | None, at: datetime) -> None:
        """Note when it left, and have its carrier asked where it is."""
        self.estimated_delivery = estimated_delivery or self.estimated_delivery
        self.dispatched_at = at
        self.want_tracking(at)

    def see(self, scan: Scan) -> None:
        """Note when and where it was seen last."""
        self.last_scan_at = max(self.last_scan_at or scan.occurred_at, scan.occurred_at)
        self.location = scan.location or self.location

    def told(self, fact: Any, scan: Scan) -> Event:
        """Return one of the facts about a parcel that does not arrive as it should."""
        told: Event = fact(
            shipment_id=self.id, order_id=self.order_id, status_description=scan.description
        )
        return told
