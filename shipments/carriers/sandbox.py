"""A carrier for demos and tests. The name of the service decides what happens."""

from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256

from django.conf import settings
from django.utils import timezone

from config.core.money import money
from config.pdf.rendering import NotPrintable
from shipments import documents
from shipments.carriers import (
    CarrierTimeout,
    LabelRequest,
    PurchasedLabel,
    Quote,
    Scan,
    ScanStatus,
    TrackingRequest,
)
from shipments.exceptions import CarrierRefused

# The services with problems. Every other service delivers on the third day.
SERVICES = {
    "Refused": "no label is sold",
    "Silent": "calls about labels always time out",
    "Timeout": "the first call for a label times out; the timer's retry succeeds",
    "Lost": "the shipment is lost on the third day",
    "Return": "the shipment is returned to its sender on the third day",
}
RATES = {"Express": (Decimal("14.90"), Decimal("2.40"))}  # base price, and price per kilogram
STANDARD = (Decimal("6.50"), Decimal("1.20"))
DELIVERY_DAYS = 3

_Step = tuple[int, ScanStatus, str, str]  # days after dispatch, status, location, description
_FIRST: _Step = (1, "in_transit", "Memphis, TN", "In transit to destination")
_SCRIPTS: dict[str, tuple[_Step, ...]] = {
    "Lost": (
        _FIRST,
        (2, "exception", "Memphis, TN", "The parcel is missing"),
        (3, "lost", "Memphis, TN", "The parcel was not found"),
    ),
    "Return": (
        _FIRST,
        (2, "exception", "Nashville, TN", "The recipient is unknown at this address"),
        (3, "returned_to_sender", "Memphis, TN", "Returned to the sender"),
    ),
}
_DELIVERY: tuple[_Step, ...] = (
    _FIRST,
    (2, "in_transit", "Nashville, TN", "Out for delivery soon"),
    (3, "delivered", "Nashville, TN", "Delivered"),
)


class Sandbox:
    """Stores nothing: each response follows from the request alone."""

    def buy_label(self, request: LabelRequest) -> Quote | PurchasedLabel:
        self._check(request)
        if request.service == "Refused":
            raise CarrierRefused("The sandbox sells no label for the service “Refused”.")
        if request.service == "Timeout" and request.first_called_at is None:
            raise CarrierTimeout("The sandbox did not respond in time.")
        if request.reference is None:
            return Quote(reference=f"sandbox_{request.label_id}")
        tracking_number = _tracking_number(request.label_id)
        weights = [package.weight for package in request.packages]
        base, per_kilogram = RATES.get(request.service, STANDARD)
        try:
            pdf = documents.label(
                organization_id=request.organization_id,
                carrier=request.carrier,
                service=request.service,
                tracking_number=tracking_number,
                order_number=request.order_number,
                sender=request.sender,
                recipient=request.recipient,
                weights=weights,
                signature_required=request.signature_required,
            )
        except NotPrintable as error:
            raise CarrierRefused(str(error)) from error
        return PurchasedLabel(
            tracking_number=tracking_number,
            carrier_cost=money(base + per_kilogram * sum(weights, Decimal(0)), request.currency),
            currency=request.currency,
            reference=request.reference,
            pdf=pdf,
            estimated_delivery=(timezone.now() + timedelta(days=DELIVERY_DAYS)).date(),
        )

    def void_label(self, request: LabelRequest, tracking_number: str | None) -> None:
        self._check(request)

    def track(self, request: TrackingRequest, *, now: datetime) -> list[Scan]:
        return [
            Scan(
                scan_id=f"{request.tracking_number}-{days}",
                status=status,
                occurred_at=request.dispatched_at + timedelta(days=days),
                location=location,
                description=description,
                recipient=request.recipient if status == "delivered" else None,
            )
            for days, status, location, description in _SCRIPTS.get(request.service, _DELIVERY)
            if request.dispatched_at + timedelta(days=days) <= now
        ]

    def _check(self, request: LabelRequest) -> None:
        if not settings.CARRIER_SANDBOX:
            raise CarrierRefused("The sandbox is disabled: CARRIER_SANDBOX=true enables it.")
        if request.service == "Silent":
            raise CarrierTimeout("The sandbox does not respond.")


def _tracking_number(label_id: str) -> str:
    """Return a number that depends on the label's id alone."""
    return f"SB{int.from_bytes(sha256(label_id.encode()).digest()[:8]) % 10**12:012d}"
