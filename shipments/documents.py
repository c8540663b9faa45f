"""A label as PDF, 10 × 15 cm. The same arguments give the same bytes, unless a template changes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from config.pdf.barcodes import code128, qr
from config.pdf.language import Language, address
from config.pdf.rendering import render

CREATED_AT = datetime(2025, 1, 1, tzinfo=UTC)  # of every label, so that its bytes stay the same


def label(
    *,
    organization_id: str,
    carrier: str,
    service: str,
    tracking_number: str,
    order_number: str,
    sender: Mapping[str, str | None],
    recipient: Mapping[str, str | None],
    weights: Sequence[Decimal],
    signature_required: bool,
) -> bytes:
    """Return a page for each package; `weights` are in kilograms. Raises NotPrintable."""
    language = Language(sender.get("language") or "en", country=recipient.get("country"))
    text = language.text
    packages = [
        [
            text("Order {number}", number=order_number),
            text("Parcel {number} of {count}", number=number, count=len(weights)),
            f"{language.weight(weight)} kg",
            *([text("Signature required")] if signature_required else []),
        ]
        for number, weight in enumerate(weights, 1)
    ]
    return render(
        "label",
        {
            **language.document(created_at=CREATED_AT),
            "title": carrier,
            "number": tracking_number,
            "author": "",
            "carrier": carrier,
            "service": service,
            "code": code128(tracking_number),
            "qr": qr(tracking_number),
            "sender": address(sender),
            "recipient": address(recipient),
            "packages": packages,
            "note": text("Test label: not valid for shipping."),
        },
        organization_id=organization_id,
    )
