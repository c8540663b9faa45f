"""What EasyPost is asked for, and the EasyPost that answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from shipments.carriers import LabelRequest, Package, PurchasedLabel, Quote, TrackingRequest
from shipments.carriers.easypost import EasyPost
from tests.shipments.easypost_peer import EasyPostPeer

easypost = EasyPost()

PARCEL = Package(weight=Decimal("2.5"), length=Decimal(30), width=Decimal(20), height=Decimal(10))
WANTED = LabelRequest(
    label_id="label_1",
    shipment_id="ship_1",
    order_number="ORD-2026-000001",
    carrier="FedEx",
    service="Ground",
    account=None,
    recipient={
        "name": "Ana Torres",
        "line1": "179 N Harbor Dr",
        "line2": "",
        "city": "Redondo Beach",
        "region": "CA",
        "postal_code": "90277",
        "country": "US",
        "tax_id": "XX-1",
    },
    sender={"company": "Warehouse", "line1": "1 Main St", "city": "Reno", "country": "US"},
    packages=(
        Package(weight=Decimal("2.5"), length=Decimal(30), width=Decimal(20), height=Decimal(10)),
    ),
    currency="USD",
    signature_required=False,
    reference=None,
    first_called_at=None,
)
TRACKED = TrackingRequest(
    shipment_id="ship_1",
    carrier="FedEx",
    service="Ground",
    account=None,
    tracking_number="9400",
    reference="shp_1",
    dispatched_at=datetime(2026, 11, 23, tzinfo=UTC),
)


def wanted(**changes: Any) -> LabelRequest:
    """Return what is asked for: one parcel by FedEx Ground, unless told otherwise."""
    return replace(WANTED, **changes)


def quoted(**changes: Any) -> LabelRequest:
    """Return what is asked for once it has been quoted."""
    quote = easypost.buy_label(wanted(**changes))
    assert isinstance(quote, Quote)
    return wanted(reference=quote.reference, **changes)


def bought(**changes: Any) -> PurchasedLabel:
    label = easypost.buy_label(quoted(**changes))
    assert isinstance(label, PurchasedLabel)
    return label


@contextmanager
def peer_of(settings: Any) -> Iterator[EasyPostPeer]:
    """Let the settings name an EasyPost of ours."""
    peer = EasyPostPeer()
    peer.start()
    settings.EASYPOST_API_KEY, settings.EASYPOST_API_BASE = peer.key, peer.url
    try:
        yield peer
    finally:
        peer.stop()
