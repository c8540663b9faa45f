"""The stored PDFs of labels."""

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
    """Return a URL that opens the PDF without an access token: see `config.pdf.files`."""
    return files.signed_url(ROUTE, label.id)


def label_url(shipment: Shipment) -> str | None:
    """Return the URL of the current label: ours or the carrier's. None while it is being voided."""
    bought = shipment.bought_label
    if bought and bought.path:
        return signed_url(bought)
    return None if _is_void(shipment) else shipment.label_url or None


def further_label_urls(shipment: Shipment) -> list[str]:
    """Return the carrier's URLs of the labels of further parcels."""
    return [] if _is_void(shipment) else list(shipment.further_label_urls)


def _is_void(shipment: Shipment) -> bool:
    return shipment.label is not None and shipment.bought_label is None


def revoke_links(shipment: Shipment) -> None:
    """Revoke the links to the labels that are stored here."""
    files.revoke_links(label.id for label in shipment.labels if label.path)


def label_id(token: str) -> str:
    """Return the label's id in a signed URL. Raises BadSignature, SignatureExpired."""
    return files.verify_token(ROUTE, token)
