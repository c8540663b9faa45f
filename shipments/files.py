"""The PDFs of labels that are ours to keep."""

from config.pdf import files
from shipments.models import Label, Shipment

ROUTE = "label-document"


def store(label_id: str, pdf: bytes) -> tuple[str, str]:
    """Store the PDF of a label; return its path and SHA-256."""
    return files.store(pdf, name=f"labels/{label_id}")


def read(label: Label) -> bytes:
    """Return the stored PDF. Raises FileNotFoundError."""
    return files.read(label.path)


def signed_url(label: Label) -> str:
    """Return a URL that shows the PDF to whoever has it, for 30 days from now."""
    return files.signed_url(ROUTE, label.id)


def label_url(shipment: Shipment) -> str | None:
    """Return the URL of a label that may be used, which is ours or its carrier's."""
    sold = shipment.sold_label
    if sold and sold.path:
        return signed_url(sold)
    is_void = shipment.label is not None and sold is None
    return None if is_void else shipment.label_url or None


def label_id(token: str) -> str:
    """Return which label a URL is of. Raises BadSignature, SignatureExpired."""
    return files.verify_token(ROUTE, token)
