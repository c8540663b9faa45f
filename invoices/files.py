"""PDFs in the default storage, and the URLs under which they are shown without a token."""

from hashlib import sha256

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.signing import TimestampSigner
from django.urls import reverse

from events.errors import Conflict
from invoices import documents
from invoices.models import Document

GOOD_FOR = 30 * 24 * 60 * 60  # seconds, as the contract promises
_signer = TimestampSigner(salt="invoices.document")


class NotRendered(Conflict):
    """The PDF is still being made: come back in a few seconds."""

    code = "not_rendered"


def store(document: Document) -> tuple[str, str]:
    """Render a document and store it; return its path and SHA-256.

    A run that was killed may have left the file: whole, it is taken; a part of it is replaced.
    One that renders otherwise, by another version, is another file.
    """
    pdf = documents.render(document)
    digest = sha256(pdf).hexdigest()
    path = f"invoices/{document.id}-{digest[:16]}.pdf"
    if default_storage.exists(path):
        with default_storage.open(path) as file:
            if sha256(file.read()).hexdigest() == digest:
                return path, digest
        default_storage.delete(path)
    return default_storage.save(path, ContentFile(pdf)), digest


def read(document: Document | None) -> bytes:
    """Return the stored PDF. Raises NotRendered."""
    if document is None or document.rendered_at is None:
        raise NotRendered("The PDF is not ready yet: ask again in a few seconds.")
    try:
        with default_storage.open(document.path) as file:
            pdf: bytes = file.read()
            return pdf
    except FileNotFoundError:
        return _made_again(document)


def _made_again(document: Document) -> bytes:
    """Return a PDF whose file is lost, if it comes out as it was. Raises FileNotFoundError."""
    pdf = documents.render(document)
    if sha256(pdf).hexdigest() != document.sha256:
        raise FileNotFoundError(f"{document.path} is lost, and would not be the same again.")
    default_storage.save(document.path, ContentFile(pdf))
    return pdf


def signed_url(document: Document) -> str:
    """Return a URL that shows the PDF to whoever has it, for 30 days from now."""
    token = _signer.sign(document.id)
    return f"{settings.PUBLIC_URL}{reverse('document', args=[token])}"


def document_id(token: str) -> str:
    """Return which document a URL is of. Raises BadSignature, SignatureExpired."""
    return _signer.unsign(token, max_age=GOOD_FOR)
