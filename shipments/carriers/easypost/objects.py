"""EasyPost's objects: written from what is wanted, and read into what it means to us."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_UP, Decimal
from typing import Any

from config.core.money import money
from shipments.carriers import Bought, NoAnswer, Parcel, Refused, Scan, ScanStatus, Wanted

Json = dict[str, Any]

OUNCE = Decimal("0.028349523125")  # kilograms
INCH = Decimal("2.54")  # centimetres
STEP = Decimal("0.1")  # EasyPost's, of both
ADDRESS = {
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
# “Not applicable”: the carrier bills a label when it first scans it, so nothing was paid.
GIVEN_BACK = {"submitted", "refunded", "not_applicable"}
# What is not here (unknown, error) says something of the tracking, nothing of the parcel.
STATUSES: dict[str, ScanStatus] = {
    "pre_transit": "pre_transit",
    "in_transit": "in_transit",
    "out_for_delivery": "in_transit",
    "available_for_pickup": "in_transit",
    "delivered": "delivered",
    # Once on its way back it only ever arrives at the sender, which carriers call delivered too.
    "return_to_sender": "returned_to_sender",
    "failure": "exception",  # of an attempt, or for the weather: it may well move on
    "cancelled": "exception",
}


def shipment_of(wanted: Wanted) -> Json:
    """Return the shipment that EasyPost is to quote. Raises Refused unless it is one package.

    EasyPost prints a label for one package; the others would go without, or be lost.
    """
    if len(wanted.parcels) != 1:
        raise Refused(
            f"EasyPost labels one package at a time, and these are {len(wanted.parcels)}: "
            "pack them into one, or make a shipment of each."
        )
    options = {"label_format": "PDF", "print_custom_1": wanted.order_number}
    if wanted.signature_required:
        options["delivery_confirmation"] = "SIGNATURE"
    return {
        "reference": wanted.label_id,
        "to_address": _address(wanted.recipient),
        "from_address": _address(wanted.sender),
        "parcel": _parcel(wanted.parcels[0]),
        "options": options,
        **({"carrier_accounts": [wanted.account]} if wanted.account else {}),
    }


def _address(address: Mapping[str, Any]) -> Json:
    return {theirs: address[ours] for theirs, ours in ADDRESS.items() if address.get(ours)}


def _parcel(parcel: Parcel) -> Json:
    """Return the package in ounces and inches, rounded up: too little is fined."""
    sizes = {"length": parcel.length, "width": parcel.width, "height": parcel.height}
    inches = {name: _steps(size / INCH) for name, size in sizes.items() if size}
    return {"weight": _steps(parcel.weight / OUNCE), **(inches if len(inches) == 3 else {})}


def _steps(quantity: Decimal) -> float:
    return float(quantity.quantize(STEP, ROUND_UP))


def chosen_rate(shipment: Json, wanted: Wanted) -> Json:
    """Return the cheapest rate of the carrier and service that are wanted. Raises Refused.

    EasyPost's names say more than people do: `FEDEX_GROUND` of `FedExDefault` is FedEx Ground.
    """
    carrier = _bare(wanted.carrier)
    service = _bare(wanted.service).removeprefix(carrier)
    matching = [
        rate
        for rate in shipment["rates"]
        if _bare(rate["carrier"]).startswith(carrier)
        and _bare(rate["service"]).removeprefix(carrier) == service
    ]
    if matching:
        return min(
            matching, key=lambda rate: (rate["currency"] != wanted.currency, Decimal(rate["rate"]))
        )
    offers = sorted({f"{rate['carrier']} {rate['service']}" for rate in shipment["rates"]})
    reasons = [f"{told['carrier']}: {told['message']}" for told in shipment.get("messages") or []]
    raise Refused(
        f"EasyPost does not offer {wanted.carrier} {wanted.service} for this, but "
        + "; ".join([", ".join(offers) or "nothing", *reasons])
    )


def _bare(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def is_bought(shipment: Json) -> bool:
    """Whether there is a label, which is paid for."""
    return bool(shipment["postage_label"])


def is_given_back(shipment: Json) -> bool:
    """Whether the label's money has been asked back, or was never paid."""
    return shipment["refund_status"] in GIVEN_BACK


def bought(shipment: Json) -> Bought:
    """Return the label of a shipment that has one. Raises NoAnswer if it has no number yet."""
    if not shipment["tracking_code"]:
        raise NoAnswer("EasyPost has bought the label, and does not know its tracking number yet")
    rate, label = shipment["selected_rate"], shipment["postage_label"]
    arrival = rate["delivery_date"] or (shipment["tracker"] or {}).get("est_delivery_date")
    return Bought(
        tracking_number=shipment["tracking_code"],
        carrier_cost=money(Decimal(rate["rate"]), rate["currency"]),
        currency=rate["currency"],
        reference=shipment["id"],
        url=label["label_pdf_url"] or label["label_url"],
        estimated_delivery=date.fromisoformat(arrival[:10]) if arrival else None,
    )


def scans_of(tracker: Json) -> list[Scan]:
    """Return what a tracker tells, oldest first. EasyPost gives the scans no ids."""
    scans = [
        Scan(
            scan_id=None,
            status=STATUSES[detail["status"]],
            occurred_at=_moment(detail["datetime"]),
            location=_place(detail.get("tracking_location") or {}),
            description=detail.get("message") or None,
            recipient=tracker.get("signed_by") if detail["status"] == "delivered" else None,
        )
        for detail in tracker.get("tracking_details") or []
        if detail["status"] in STATUSES and detail["datetime"]
    ]
    return sorted(scans, key=lambda scan: scan.occurred_at)


def _moment(text: str) -> datetime:
    """Return the moment in UTC, which EasyPost means where it knows no time zone."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _place(location: Json) -> str | None:
    named = [location[part] for part in ("city", "state") if location.get(part)]
    return ", ".join(named) or location.get("country")
