"""PDFs in the default storage, and signed URLs that open them without an access token."""

from hashlib import sha256

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.signing import TimestampSigner
from django.urls import reverse

LINK_LIFETIME = 30 * 24 * 60 * 60  # seconds, as the event contract promises


def store(pdf: bytes, *, name: str) -> tuple[str, str]:
    """Store a PDF; return its path, which contains its digest, and its SHA-256.

    A killed worker may have left a file at that path: a complete file is reused, an incomplete
    file is replaced.
    """
    digest = sha256(pdf).hexdigest()
    path = f"{name}-{digest[:16]}.pdf"
    if default_storage.exists(path):
        if sha256(read(path)).hexdigest() == digest:
            return path, digest
        default_storage.delete(path)
    return default_storage.save(path, ContentFile(pdf)), digest


def read(path: str) -> bytes:
    """Return a stored PDF. Raises FileNotFoundError."""
    with default_storage.open(path) as file:
        pdf: bytes = file.read()
        return pdf


def signed_url(route: str, row_id: str) -> str:
    """Return a URL of the named route. Anyone who has it can open the PDF, for 30 days."""
    token = TimestampSigner(salt=route).sign(row_id)
    return f"{settings.PUBLIC_URL}{reverse(route, args=[token])}"


def verify_token(route: str, token: str) -> str:
    """Return the id of the row that a signed URL opens. Raises BadSignature, SignatureExpired."""
    return TimestampSigner(salt=route).unsign(token, max_age=LINK_LIFETIME)
