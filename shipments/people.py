"""What shipments hold about a person."""

from django.db.models import Q

from events.people import holds
from shipments.models import CarrierWebhook, Label, ParcelNumber, Scan, Shipment, ShipmentItem

holds(
    Shipment,
    "order",
    erase={
        "recipient": None,
        "signature": None,
        "delivery_photo_url": None,
        "location": None,
        "label_url": "",
        "further_label_urls": [],
        "last_error": "",
    },
)
holds(ShipmentItem, "shipment__order")
holds(
    Label,
    "shipment__order",
    erase={"path": "", "sha256": "", "last_error": ""},
    file="path",
)
holds(ParcelNumber, "shipment__order")
holds(Scan, "shipment__order", erase={"location": None, "description": None})
holds(
    CarrierWebhook,
    lambda streams: Q(
        Q(subject__in=Shipment.objects.filter(order__in=streams).values("tracking_number"))
        | Q(
            subject__in=ParcelNumber.objects.filter(shipment__order__in=streams).values(
                "tracking_number"
            )
        ),
        due_at=None,
    ),
    erase={"payload": ""},
    hide=["payload"],  # carriers reuse their numbers: it may be about another customer's parcel
)
