"""Requests to the EasyPost adapter, and the server that it calls."""

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
REQUEST = LabelRequest(
    label_id="label_1",
    organization_id="org_1",
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
TRACKING = TrackingRequest(
    shipment_id="ship_1",
    carrier="FedEx",
    service="Ground",
    account=None,
    tracking_number="9400",
    reference="shp_1",
    dispatched_at=datetime(2026, 11, 23, tzinfo=UTC),
)


def label_request(**changes: Any) -> LabelRequest:
    """Return a request for the label of one package by FedEx Ground."""
    return replace(REQUEST, **changes)


def quoted_request(**changes: Any) -> LabelRequest:
    """Return a request with the reference of a quote."""
    quote = easypost.buy_label(label_request(**changes))
    assert isinstance(quote, Quote)
    return label_request(reference=quote.reference, **changes)


def purchased(**changes: Any) -> PurchasedLabel:
    label = easypost.buy_label(quoted_request(**changes))
    assert isinstance(label, PurchasedLabel)
    return label


@contextmanager
def peer_of(settings: Any) -> Iterator[EasyPostPeer]:
    """Start a server and set it as EasyPost's address."""
    peer = EasyPostPeer()
    peer.start()
    settings.EASYPOST_API_KEY, settings.EASYPOST_API_BASE = peer.key, peer.url
    try:
        yield peer
    finally:
        peer.stop()
