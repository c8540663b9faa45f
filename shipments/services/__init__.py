"""What can be done with shipments: one function per verb."""

from shipments.services.calling import call_carrier, call_due_carriers
from shipments.services.creating import (
    cancel_open_shipments,
    cancel_shipment,
    create_shipment,
    ship_packed_units,
)
from shipments.services.labels import (
    CarrierRefused,
    ask_again,
    buy_label,
    label_shipment,
)
from shipments.services.moving import (
    deliver_shipment,
    dispatch_shipment,
    record_scan,
    report_scan,
)
from shipments.services.tracking import poll_due_carriers, track_shipment
from shipments.services.webhooks import process_pending_webhooks, receive_webhook

__all__ = [
    "CarrierRefused",
    "ask_again",
    "buy_label",
    "call_carrier",
    "call_due_carriers",
    "cancel_open_shipments",
    "cancel_shipment",
    "create_shipment",
    "deliver_shipment",
    "dispatch_shipment",
    "label_shipment",
    "poll_due_carriers",
    "process_pending_webhooks",
    "receive_webhook",
    "record_scan",
    "report_scan",
    "ship_packed_units",
    "track_shipment",
]
