"""The stored PDFs of invoices and credit notes. Each is rendered once."""

from hashlib import sha256

from config.pdf import files
from invoices import documents, einvoices
from invoices.exceptions import NoElectronicInvoice, NotRendered
from invoices.models import Document, Invoice

ROUTE = "document"


def store(document: Document) -> tuple[str, str]:
    """Render a document and store it; return its path and SHA-256."""
    return files.store(documents.render(document), name=f"invoices/{document.id}")


def read(document: Document | None) -> bytes:
    """Return the stored PDF. Raises NotRendered."""
    if document is None or document.rendered_at is None:
        raise NotRendered("The PDF is not rendered yet. Retry in a few seconds.")
    try:
        return files.read(document.path)
    except FileNotFoundError:
        return _restore(document)


def read_xml(document: Document | None) -> bytes:
    """Return the electronic invoice in the stored PDF. Raises NotRendered, NoElectronicInvoice."""
    xml = einvoices.extract(read(document))
    if xml is None:
        assert document
        why = einvoices.obstacle(document.invoice, document.credit_note)
        raise NoElectronicInvoice(why or "The document was issued without one.")
    return xml


def delete(document: Document) -> None:
    """Delete the stored PDF, if there is one."""
    if document.path:
        files.delete(document.path)


def _restore(document: Document) -> bytes:
    """Render a lost file again. Raises FileNotFoundError if the bytes differ from the original."""
    pdf = documents.render(document)
    if sha256(pdf).hexdigest() != document.sha256:
        raise FileNotFoundError(
            f"{document.path} is missing, and rendering it again gives a different PDF: "
            "restore the file from a backup."
        )
    files.store(pdf, name=f"invoices/{document.id}")
    return pdf


def signed_url(document: Document) -> str:
    """Return a URL that opens the PDF without an access token: see `config.pdf.files`."""
    return files.signed_url(ROUTE, document.id)


def revoke_links(invoice: Invoice) -> None:
    """Revoke the links to the invoice and to its credit notes."""
    files.revoke_links(document.id for document in invoice.documents.all())


def document_id(token: str) -> str:
    """Return the id of the document that a URL opens. Raises BadSignature, SignatureExpired."""
    return files.verify_token(ROUTE, token)
