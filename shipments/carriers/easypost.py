"""EasyPost: labels and tracking for the carriers that it resells. Needs the SDK `easypost`.

API reference: https://docs.easypost.com
"""

import hashlib
import hmac
import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone
from django.utils.datastructures import CaseInsensitiveMapping

from config.core import inbox
from config.core.exceptions import BadSignature
from config.core.money import money
from shipments.carriers import (
    CarrierTimeout,
    LabelRequest,
    Package,
    PartlyRefused,
    PurchasedLabel,
    Quote,
    Scan,
    ScanStatus,
    TrackingRequest,
    TrackingUpdate,
)
from shipments.exceptions import CarrierRefused

if TYPE_CHECKING:
    from easypost.easypost_client import EasyPostClient
    from easypost.easypost_object import EasyPostObject
    from easypost.errors.api.api_error import ApiError

Json = dict[str, Any]

MAX_PACKAGES = 25  # whose ids a reference has room for
TIMEOUT = (5, 15)  # seconds to connect and to read; buying a label takes up to three requests
# A purchase that timed out has either succeeded after this time, or never will.
SETTLEMENT_PERIOD = timedelta(hours=1)
# Errors of a purchase that may still succeed, or that an earlier request already made.
UNDECIDED_CODES = {
    "SHIPMENT.POSTAGE.EXISTS",
    "SHIPMENT.POSTAGE.NO_RESPONSE",
    "SHIPMENT.POSTAGE.TIMED_OUT",
    "SHIPMENT.PURCHASE.IN_PROGRESS",
}
TRACKER_EVENTS = {"tracker.created", "tracker.updated"}
# `not_applicable`: the carrier charges a label at its first scan, so nothing was paid.
REFUND_STATUSES = {"submitted", "refunded", "not_applicable"}
# Other statuses (`unknown`, `error`) are about the tracking itself, not about the shipment.
SCAN_STATUSES: dict[str, ScanStatus] = {
    "pre_transit": "pre_transit",
    "in_transit": "in_transit",
    "out_for_delivery": "in_transit",
    "available_for_pickup": "in_transit",
    "delivered": "delivered",
    # From here on it only travels back; carriers report its arrival there as delivered, too.
    "return_to_sender": "returned_to_sender",
    "failure": "exception",  # a failed delivery attempt or bad weather: it may still arrive
    "cancelled": "exception",
}
ADDRESS_FIELDS = {
    "name": "name",
    "company": "company",
    "street1": "line1",
    "street2": "line2",
    "city": "city",
    "state": "region",
    "zip": "postal_code",
    "country": "country",
    "phone": "phone",
}
KILOGRAMS_PER_OUNCE = Decimal("0.028349523125")
CENTIMETERS_PER_INCH = Decimal("2.54")
PRECISION = Decimal("0.1")  # of EasyPost's ounces and inches


@contextmanager
def _malformed_as_timeout() -> Iterator[None]:
    """Raise CarrierTimeout for a response that does not have the documented form."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise CarrierTimeout(f"EasyPost sent an unexpected response: {error!r}") from error


class EasyPost:
    """The adapter. EasyPost itself sells the label of an EasyPost shipment only once.

    Each package is an EasyPost shipment with a label and a number of its own. Their ids are the
    reference.
    """

    @_malformed_as_timeout()
    def buy_label(self, request: LabelRequest) -> Quote | PurchasedLabel:
        """Create a shipment of each package at EasyPost, then buy their labels.

        All packages have a rate before the first is paid for. If the response to the first call is
        lost, unpaid shipments stay behind at EasyPost.
        """
        if request.reference is None:
            return Quote(reference=" ".join(_created(each) for each in _shipment_fields(request)))
        shipments = [_retrieve(reference) for reference in request.reference.split()]
        try:
            rates = _rates(shipments, request)
            for number, rate in rates.items():
                shipments[number] = _bought(shipments[number]["id"], rate)
        except CarrierRefused as error:
            if count := sum(map(_is_bought, shipments)):
                raise PartlyRefused(
                    f"{error} The labels of {count} of {len(shipments)} packages were bought and "
                    "will be voided: request another."
                ) from error
            raise
        return _purchased_label(shipments)

    @_malformed_as_timeout()
    def void_label(self, request: LabelRequest, tracking_number: str | None) -> None:
        """Request the refund of each label that was bought."""
        refused: CarrierRefused | None = None
        is_open = False
        for reference in (request.reference or "").split():
            shipment = _retrieve(reference)
            if not _is_bought(shipment):
                is_open = True
                continue
            try:
                _refund(shipment)
            except CarrierRefused as error:
                refused = error
        if refused:
            raise refused
        if is_open:
            _expect_purchase_settled(request)

    @_malformed_as_timeout()
    def track(self, request: TrackingRequest, *, now: datetime) -> list[Scan]:
        """Return the scans of labels that EasyPost sold. Other labels cost a fee to track."""
        trackers = [
            _retrieve(reference).get("tracker") or {}
            for reference in (request.reference or "").split()
        ]
        return [
            replace(scan, tracking_number=tracker["tracking_code"]) if len(trackers) > 1 else scan
            for tracker in trackers
            for scan in _scans(tracker)
        ]


def verify(body: bytes, headers: Mapping[str, str]) -> None:
    """Verify the signature of a webhook. Raises BadSignature.

    The signature contains no time. A replayed webhook has no effect, because its scans are known.
    """
    secret = unicodedata.normalize("NFKD", settings.EASYPOST_WEBHOOK_SECRET).encode()
    digest = hmac.new(secret, body, hashlib.sha256).hexdigest()
    signature = CaseInsensitiveMapping(headers).get("X-Hmac-Signature", "")
    is_valid = hmac.compare_digest(f"hmac-sha256-hex={digest}".encode(), signature.encode())
    if not (secret and is_valid):
        raise BadSignature("The signature is not EasyPost's: check EASYPOST_WEBHOOK_SECRET.")


@inbox.parsing("EasyPost")
def parse(body: bytes) -> TrackingUpdate | None:
    """Return the content of a verified webhook, None if it is not about tracking.

    Raises BadMessage.
    """
    event = json.loads(body)
    if event["description"] not in TRACKER_EVENTS:
        return None
    tracker = event["result"]
    return TrackingUpdate(
        event_id=event["id"][:255],
        tracking_number=tracker["tracking_code"][:64],
        reference=tracker.get("shipment_id"),
        carrier=tracker.get("carrier"),
        scans=tuple(_scans(tracker)),
    )


def _created(fields: Json) -> str:
    shipment_id: str = _call(lambda client: client.shipment.create(**fields))["id"]
    return shipment_id


def _bought(reference: str, rate: Json) -> Json:
    chosen = {"id": rate["id"]}
    return _change(
        reference, lambda client: client.shipment.buy(reference, rate=chosen), _is_bought
    )


def _refund(shipment: Json) -> None:
    """Request the refund of a label, unless it was. Raises CarrierRefused."""
    reference = shipment["id"]
    if not _is_refunded(shipment):
        shipment = _change(
            reference, lambda client: client.shipment.refund(reference), _is_refunded
        )
    if not _is_refunded(shipment):
        raise CarrierRefused("EasyPost: the carrier does not refund this label; try later.")


def _expect_purchase_settled(request: LabelRequest) -> None:
    """Raise CarrierTimeout while a label that is not bought may still become so."""
    called_at = request.last_purchase_call_at
    if called_at and timezone.now() < called_at + SETTLEMENT_PERIOD:
        raise CarrierTimeout(
            f"EasyPost may still complete the purchase that was requested at {called_at:%H:%M} UTC."
        )


def _retrieve(reference: str) -> Json:
    """Return the EasyPost shipment. An error here does not tell what was bought: CarrierTimeout."""
    try:
        return _call(lambda client: client.shipment.retrieve(reference))
    except CarrierRefused as error:
        raise CarrierTimeout(str(error)) from None


def _change(
    reference: str,
    change: Callable[["EasyPostClient"], "EasyPostObject"],
    is_changed: Callable[[Json], bool],
) -> Json:
    """Return the changed shipment. EasyPost refuses repeated changes, so a refusal is checked."""
    try:
        return _call(change)
    except CarrierRefused:
        shipment = _retrieve(reference)
        if not is_changed(shipment):
            raise
        return shipment


def _call(operation: Callable[["EasyPostClient"], "EasyPostObject"]) -> Json:
    """Return EasyPost's response. Raises CarrierTimeout, CarrierRefused."""
    try:
        from easypost.easypost_client import EasyPostClient
        from easypost.errors.api.api_error import ApiError
        from requests.adapters import HTTPAdapter
    except ImportError:
        raise CarrierTimeout(
            "EasyPost's SDK is not installed: requirements.txt says how to install “easypost”."
        ) from None
    client = EasyPostClient(
        settings.EASYPOST_API_KEY,
        api_base=f"{settings.EASYPOST_API_BASE}/v2",
        timeout=TIMEOUT,  # type: ignore[arg-type]  # handed on to requests, which takes a pair
    )
    with closing(client._requests_session) as session:
        session.mount(settings.EASYPOST_API_BASE, HTTPAdapter())  # the SDK's own retries 3 times
        try:
            return operation(client).to_dict()
        except ApiError as error:
            raise _failure(error) from None


def _failure(error: "ApiError") -> CarrierTimeout | CarrierRefused:
    """Return the matching exception. Its message contains nothing of the request."""
    from easypost.errors.api.json_error import JsonError

    status = error.http_status or 0
    if status == 401:
        return CarrierTimeout("EasyPost does not accept the API key: check EASYPOST_API_KEY.")
    is_undecided = (
        status in (408, 409, 429) or error.code in UNDECIDED_CODES or isinstance(error, JsonError)
    )
    if is_undecided or not 400 <= status < 500:
        reason = error.code or status or "no response"
        return CarrierTimeout(f"EasyPost: {type(error).__name__}, {reason}")
    details: list[Any] = error.errors or []
    causes = [
        str(detail.get("message", detail) if isinstance(detail, dict) else detail)
        for detail in details
    ]
    return CarrierRefused("; ".join([f"EasyPost: {error.message}", *dict.fromkeys(causes)]))


def _shipment_fields(request: LabelRequest) -> list[Json]:
    """Return the fields of an EasyPost shipment for each package. Raises CarrierRefused."""
    if not 1 <= len(request.packages) <= MAX_PACKAGES:
        raise CarrierRefused(
            f"A label is bought for 1 to {MAX_PACKAGES} packages, but the shipment has "
            f"{len(request.packages)}: make several shipments of them."
        )
    options = {"label_format": "PDF", "print_custom_1": request.order_number}
    if request.signature_required:
        options["delivery_confirmation"] = "SIGNATURE"
    fields = {
        "reference": request.label_id,
        "to_address": _address(request.recipient),
        "from_address": _address(request.sender),
        "options": options,
        **({"carrier_accounts": [request.account]} if request.account else {}),
    }
    return [fields | {"parcel": _parcel(package)} for package in request.packages]


def _address(address: Mapping[str, str | None]) -> Json:
    return {theirs: address[ours] for theirs, ours in ADDRESS_FIELDS.items() if address.get(ours)}


def _parcel(package: Package) -> Json:
    """Return the package in ounces and inches, rounded up: understating costs a surcharge."""
    sizes = {"length": package.length, "width": package.width, "height": package.height}
    inches = {name: _round_up(size / CENTIMETERS_PER_INCH) for name, size in sizes.items() if size}
    ounces = _round_up(package.weight / KILOGRAMS_PER_OUNCE)
    return {"weight": ounces, **(inches if len(inches) == 3 else {})}


def _round_up(quantity: Decimal) -> float:
    return float(quantity.quantize(PRECISION, ROUND_UP))


def _rates(shipments: Sequence[Json], request: LabelRequest) -> dict[int, Json]:
    """Return a rate for each package that has no label yet, in one currency.

    Raises CarrierRefused.
    """
    rates = {
        number: _cheapest_rate(shipment, request)
        for number, shipment in enumerate(shipments)
        if not _is_bought(shipment)
    }
    currencies = {rate["currency"] for rate in rates.values()}
    currencies |= {each["selected_rate"]["currency"] for each in shipments if _is_bought(each)}
    if len(currencies) > 1:
        raise CarrierRefused(
            f"EasyPost offers {request.carrier} {request.service} in several currencies for the "
            f"packages of this shipment: {', '.join(sorted(currencies))}."
        )
    return rates


def _cheapest_rate(shipment: Json, request: LabelRequest) -> Json:
    """Return the cheapest rate of the requested carrier and service. Raises CarrierRefused.

    Rates in the order's currency come first. EasyPost's names are longer than the usual ones:
    `FEDEX_GROUND` of `FedExDefault` is FedEx Ground.
    """
    carrier = _normalized(request.carrier)
    service = _normalized(request.service).removeprefix(carrier)
    matching = [
        rate
        for rate in shipment["rates"]
        if _normalized(rate["carrier"]).startswith(carrier)
        and _normalized(rate["service"]).removeprefix(carrier) == service
    ]
    if matching:
        return min(
            matching, key=lambda rate: (rate["currency"] != request.currency, Decimal(rate["rate"]))
        )
    offers = sorted({f"{rate['carrier']} {rate['service']}" for rate in shipment["rates"]})
    messages = [f"{each['carrier']}: {each['message']}" for each in shipment.get("messages") or []]
    raise CarrierRefused(
        f"EasyPost does not offer {request.carrier} {request.service} for this shipment. It offers "
        + "; ".join([", ".join(offers) or "nothing", *messages])
    )


def _normalized(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _is_bought(shipment: Json) -> bool:
    return bool(shipment["postage_label"])


def _is_refunded(shipment: Json) -> bool:
    """Return whether the refund is requested or not necessary."""
    return shipment["refund_status"] in REFUND_STATUSES


def _purchased_label(shipments: Sequence[Json]) -> PurchasedLabel:
    """Return the labels of bought shipments. Raises CarrierTimeout before all have a number."""
    if not all(each["tracking_code"] for each in shipments):
        raise CarrierTimeout("EasyPost bought the label, but has no tracking number for it yet.")
    first, rates = shipments[0], [each["selected_rate"] for each in shipments]
    currency = rates[0]["currency"]
    arrivals = filter(None, map(_arrival, shipments))
    return PurchasedLabel(
        tracking_number=first["tracking_code"],
        carrier_cost=money(sum((Decimal(rate["rate"]) for rate in rates), Decimal(0)), currency),
        currency=currency,
        reference=" ".join(each["id"] for each in shipments),
        url=_url(first),
        estimated_delivery=max(arrivals, default=None),
        further={each["tracking_code"]: _url(each) for each in shipments[1:]},
    )


def _arrival(shipment: Json) -> date | None:
    tracker = shipment["tracker"] or {}
    arrival = shipment["selected_rate"]["delivery_date"] or tracker.get("est_delivery_date")
    return date.fromisoformat(arrival[:10]) if arrival else None


def _url(shipment: Json) -> str | None:
    label: Json = shipment["postage_label"]
    url: str | None = label["label_pdf_url"] or label["label_url"]
    return url


def _scans(tracker: Json) -> list[Scan]:
    """Return the scans of a tracker, oldest first. EasyPost has no ids for scans."""
    scans = [
        Scan(
            scan_id=None,
            status=SCAN_STATUSES[detail["status"]],
            occurred_at=_moment(detail["datetime"]),
            location=_place(detail.get("tracking_location") or {}),
            description=detail.get("message") or None,
            recipient=tracker.get("signed_by") if detail["status"] == "delivered" else None,
        )
        for detail in tracker.get("tracking_details") or []
        if detail["status"] in SCAN_STATUSES and detail["datetime"]
    ]
    return sorted(scans, key=lambda scan: scan.occurred_at)


def _moment(text: str) -> datetime:
    """Return the time in UTC, which is also EasyPost's default without a time zone."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _place(location: Json) -> str | None:
    names = [location[part] for part in ("city", "state") if location.get(part)]
    return ", ".join(names) or location.get("country")
