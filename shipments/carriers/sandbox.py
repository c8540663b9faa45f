"""A carrier for trying things out: what happens is in the name of the service."""

from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256

from django.conf import settings
from django.utils import timezone

from config.core.money import money
from shipments import documents
from shipments.carriers import Bought, NoAnswer, Quoted, Refused, Scan, ScanStatus, Tracked, Wanted

# Services that do not do what a customer hopes for; every other delivers on the third day.
SERVICES = {
    "Refused": "no label is sold",
    "Silent": "the carrier never answers about a label",
    "Timeout": "the first answer is lost: the timer finds it",
    "Lost": "the parcel is lost on the third day",
    "Return": "the parcel comes back on the third day",
}
RATES = {"Express": (Decimal("14.90"), Decimal("2.40"))}  # a base, and what a kilogram costs
STANDARD = (Decimal("6.50"), Decimal("1.20"))
DAYS = 3  # until it is delivered

_Step = tuple[int, ScanStatus, str, str]  # after how many days what is seen, and where
_FIRST: _Step = (1, "in_transit", "Memphis, TN", "In transit to destination")
_SCRIPTS: dict[str, tuple[_Step, ...]] = {
    "Lost": (
        _FIRST,
        (2, "exception", "Memphis, TN", "The parcel is not where it should be"),
        (3, "lost", "Memphis, TN", "The parcel was not found"),
    ),
    "Return": (
        _FIRST,
        (2, "exception", "Nashville, TN", "Nobody knows the addressee there"),
        (3, "returned_to_sender", "Memphis, TN", "Returned to the sender"),
    ),
}
_DELIVERY: tuple[_Step, ...] = (
    _FIRST,
    (2, "in_transit", "Nashville, TN", "Out for delivery soon"),
    (3, "delivered", "Nashville, TN", "Delivered"),
)


class Sandbox:
    """Keeps nothing: the answer follows from the service, and from what was asked before."""

    def label(self, wanted: Wanted) -> Quoted | Bought:
        self._expect_an_answer(wanted)
        if wanted.service == "Refused":
            raise Refused("The sandbox sells no label for the service “Refused”.")
        if wanted.service == "Timeout" and wanted.asked_at is None:
            raise NoAnswer("The sandbox did not answer in time.")
        if wanted.reference is None:
            return Quoted(reference=f"sandbox_{wanted.label_id}")
        tracking_number = _tracking_number(wanted.label_id)
        weights = [parcel.weight for parcel in wanted.parcels]
        base, per_kilogram = RATES.get(wanted.service, STANDARD)
        pdf = documents.label(
            carrier=wanted.carrier,
            service=wanted.service,
            tracking_number=tracking_number,
            order_number=wanted.order_number,
            sender=wanted.sender,
            recipient=wanted.recipient,
            weights=weights,
            signature_required=wanted.signature_required,
            note="For trying things out: no carrier takes this parcel.",
        )
        return Bought(
            tracking_number=tracking_number,
            carrier_cost=money(base + per_kilogram * sum(weights, Decimal(0)), wanted.currency),
            currency=wanted.currency,
            reference=wanted.reference,
            pdf=pdf,
            estimated_delivery=(timezone.now() + timedelta(days=DAYS)).date(),
        )

    def void(self, wanted: Wanted, tracking_number: str | None) -> None:
        self._expect_an_answer(wanted)

    def track(self, tracked: Tracked, *, now: datetime) -> list[Scan]:
        script = _SCRIPTS.get(tracked.service, _DELIVERY)
        return [
            Scan(
                scan_id=f"{tracked.tracking_number}-{days}",
                status=status,
                occurred_at=tracked.dispatched_at + timedelta(days=days),
                location=location,
                description=description,
                recipient=tracked.addressee if status == "delivered" else None,
            )
            for days, status, location, description in script
            if tracked.dispatched_at + timedelta(days=days) <= now
        ]

    def _expect_an_answer(self, wanted: Wanted) -> None:
        if not settings.CARRIER_SANDBOX:
            raise Refused("The sandbox is off: CARRIER_SANDBOX=true turns it on.")
        if wanted.service == "Silent":
            raise NoAnswer("The sandbox does not answer.")


def _tracking_number(label_id: str) -> str:
    """Return the same number for the same label, another for another."""
    return f"SB{int.from_bytes(sha256(label_id.encode()).digest()[:8]) % 10**12:012d}"
