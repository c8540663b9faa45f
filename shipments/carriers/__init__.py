"""The protocol between shipments and carriers: requests, results and errors of every adapter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Protocol

ScanStatus = Literal[
    "pre_transit", "in_transit", "exception", "delivered", "lost", "returned_to_sender"
]


class CarrierTimeout(Exception):
    """The carrier gave no usable response, so the result is unknown: call again."""


class PartlyRefused(Exception):
    """The carrier sold labels of some packages and refuses the others: void what it sold."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """Weight in kilograms; dimensions in centimeters, None where unknown."""

    weight: Decimal
    length: Decimal | None = None
    width: Decimal | None = None
    height: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class LabelRequest:
    """The request to buy or to void a label. `label_id` is ours and the idempotency key.

    `carrier` and `service` are names as in orders: "FedEx", "Ground". `account` is the
    organization's carrier account. `reference` is the carrier's id from an earlier quote, None
    before the first. `first_called_at` is None before the first call. `last_purchase_call_at` is
    the time of the latest call that may have bought the label.
    """

    label_id: str
    shipment_id: str
    organization_id: str
    order_number: str
    carrier: str
    service: str
    account: str | None
    recipient: Mapping[str, str | None]
    sender: Mapping[str, str | None]
    packages: tuple[Package, ...]
    currency: str
    signature_required: bool
    reference: str | None
    first_called_at: datetime | None
    last_purchase_call_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Quote:
    """The carrier knows the label by `reference` and has not sold it yet: call again with it."""

    reference: str


@dataclass(frozen=True, kw_only=True)
class PurchasedLabel:
    """A label that the carrier sold, with the PDF itself or with the carrier's `url` of it.

    `reference` is that of the quote. Another reference is another purchase. A carrier that sells a
    label for each package gives the numbers of the others in `further`, with the URLs of their
    labels; the cost is that of all.
    """

    tracking_number: str
    carrier_cost: Decimal
    currency: str
    reference: str | None = None
    url: str | None = None
    pdf: bytes | None = None
    estimated_delivery: date | None = None
    further: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrackingRequest:
    """The request for all scans of a shipment. `reference` is the carrier's id of its label."""

    shipment_id: str
    carrier: str
    service: str
    account: str | None
    tracking_number: str
    reference: str | None
    dispatched_at: datetime
    recipient: str | None = None


@dataclass(frozen=True, kw_only=True)
class Scan:
    """One scan. `scan_id` is the carrier's, None if it has no ids for scans.

    `tracking_number` is that of the parcel, None for the whole shipment.
    """

    scan_id: str | None
    status: ScanStatus
    occurred_at: datetime
    location: str | None = None
    description: str | None = None
    recipient: str | None = None
    tracking_number: str | None = None


@dataclass(frozen=True, kw_only=True)
class TrackingUpdate:
    """The content of a carrier's webhook about one shipment.

    `event_id` is the carrier's id of the webhook. `reference` is the carrier's id of the label,
    None if the webhook does not contain it. `shared_by` is the shipment that has the scans already,
    if they are for those of other orders in its box.
    """

    event_id: str
    tracking_number: str
    reference: str | None
    carrier: str | None
    scans: tuple[Scan, ...]
    shared_by: str | None = None

    @property
    def subject(self) -> str:
        return self.tracking_number


class Carrier(Protocol):
    """An adapter. Its methods may be called again at any time; each of them raises CarrierTimeout.

    CarrierRefused means that the carrier refuses the request as it is.
    """

    def buy_label(self, request: LabelRequest) -> Quote | PurchasedLabel:
        """Buy the label; repeated calls for one `label_id` buy one label.

        Raises CarrierRefused, and PartlyRefused if some of several packages have labels.

        A carrier that needs two calls returns a Quote first. Its reference is saved before the
        label is paid for.
        """

    def void_label(self, request: LabelRequest, tracking_number: str | None) -> None:
        """Have the label refunded, if it was bought; repeated calls refund it once.

        Raises CarrierRefused.
        """

    def track(self, request: TrackingRequest, *, now: datetime) -> list[Scan]:
        """Return all scans that the carrier knows at `now`, oldest first."""
