"""The outside world of shipments: what every carrier is asked, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, Protocol

from config.core.exceptions import DomainError

ScanStatus = Literal[
    "pre_transit", "in_transit", "exception", "delivered", "lost", "returned_to_sender"
]


class NoAnswer(Exception):
    """The carrier did not say what came of it: not a failure, ask again."""


class Refused(Exception):
    """The carrier will not carry it as it is: somebody has to change something, or ask again."""


class BadSignature(DomainError):
    """A webhook that its carrier has not signed."""

    code = "bad_signature"


class BadMessage(DomainError):
    """A webhook that its carrier has signed, and that is not as its messages should be."""

    code = "bad_message"


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A package: kilograms, and centimetres where they are known."""

    weight: Decimal
    length: Decimal | None = None
    width: Decimal | None = None
    height: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A label as its carrier is asked for it. `label_id` is ours, and the key of idempotency.

    `carrier` and `service` are as people write them: "FedEx", "Ground". `account` is the
    organization's at the carrier. `reference` is what the carrier called it in an earlier,
    unfinished try, None if nothing is known of one. `asked_at` is when it was first asked for, and
    `asked_last_at` when last: of a label that is to be voided, when it may have been sold.
    """

    label_id: str
    shipment_id: str
    order_number: str
    carrier: str
    service: str
    account: str | None
    recipient: Mapping[str, Any]
    sender: Mapping[str, Any]
    parcels: tuple[Parcel, ...]
    currency: str
    signature_required: bool
    reference: str | None
    asked_at: datetime | None
    asked_last_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Bought:
    """A label as its carrier gives it: a `url` of the carrier's, or the PDF itself.

    `reference` is that of the Quoted before it, if there was one; under another it is another sale.
    """

    tracking_number: str
    carrier_cost: Decimal
    currency: str
    reference: str | None = None
    url: str | None = None
    pdf: bytes | None = None
    estimated_delivery: date | None = None


@dataclass(frozen=True, kw_only=True)
class Quoted:
    """The carrier has a name for what is wanted, and has sold nothing yet: ask again with it."""

    reference: str


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """A parcel under way, as its carrier is asked about it."""

    shipment_id: str
    carrier: str
    service: str
    account: str | None
    tracking_number: str
    reference: str | None
    dispatched_at: datetime
    addressee: str | None = None


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What a carrier has seen of a parcel. `scan_id` is None where it gives none."""

    scan_id: str | None
    status: ScanStatus
    occurred_at: datetime
    location: str | None = None
    description: str | None = None
    recipient: str | None = None


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What a carrier's webhook tells of one parcel. `event_id` is the carrier's own.

    `reference` is what the carrier called the label, where it says so.
    """

    event_id: str
    tracking_number: str
    reference: str | None
    carrier: str | None
    scans: tuple[Scan, ...]

    @property
    def subject(self) -> str:
        return self.tracking_number


class Carrier(Protocol):
    """A way to send parcels. Every call raises NoAnswer."""

    def label(self, wanted: Wanted) -> Quoted | Bought:
        """Buy a label, once however often this is called for one. Raises Refused.

        A carrier that has to be asked twice answers Quoted first: its reference is kept before
        anything is paid for.
        """

    def void(self, wanted: Wanted, tracking_number: str | None) -> None:
        """Give back a label that nobody uses, if there is one; once however often it is called.

        Raises Refused.
        """

    def track(self, tracked: Tracked, *, now: datetime) -> list[Scan]:
        """Return every scan that the carrier knows at `now`, oldest first."""
