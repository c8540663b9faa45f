"""The PDFs of invoices and credit notes: rendered once, and kept."""

from hashlib import sha256

from config.core.exceptions import Conflict
from config.pdf import files
from invoices import documents
from invoices.models import Document

ROUTE = "document"


class NotRendered(Conflict):
    """The PDF is still being made: come back in a few seconds."""

    code = "not_rendered"


def store(document: Document) -> tuple[str, str]:
    """Render a document and store it; return its path and SHA-256."""
    return files.keep(documents.render(document), name=f"invoices/{document.id}")


def read(document: Document | None) -> bytes:
    """Return the stored PDF. Raises NotRendered."""
    if document is None or document.rendered_at is None:
        raise NotRendered("The PDF is not ready yet: ask again in a few seconds.")
    try:
        return files.read(document.path)
    except FileNotFoundError:
        return _made_again(document)


def _made_again(document: Document) -> bytes:
    """Return a PDF whose file is lost, if it comes out as it was. Raises FileNotFoundError."""
    pdf = documents.render(document)
    if sha256(pdf).hexdigest() != document.sha256:
        raise FileNotFoundError(f"{document.path} is lost, and would not be the same again.")
    files.keep(pdf, name=f"invoices/{document.id}")
    return pdf


def signed_url(document: Document) -> str:
    """Return a URL that shows the PDF to whoever has it, for 30 days from now."""
    return files.signed_url(ROUTE, document.id)


def document_id(token: str) -> str:
    """Return which document a URL is of. Raises BadSignature, SignatureExpired."""
    return files.row_of(ROUTE, token)
