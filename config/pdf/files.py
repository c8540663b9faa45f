"""PDFs in the default storage, and the URLs under which they are shown without a token."""

from hashlib import sha256

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.signing import TimestampSigner
from django.urls import reverse

GOOD_FOR = 30 * 24 * 60 * 60  # seconds, as the contract promises


def keep(pdf: bytes, *, name: str) -> tuple[str, str]:
    """Store a PDF under a name of its own; return its path and SHA-256.

    A run that was killed may have left the file: whole, it is taken; a part of it is replaced.
    Other bytes are another file.
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
    """Return a URL of the named route that shows a PDF to whoever has it, for 30 days."""
    token = TimestampSigner(salt=route).sign(row_id)
    return f"{settings.PUBLIC_URL}{reverse(route, args=[token])}"


def row_of(route: str, token: str) -> str:
    """Return which row a URL is of. Raises BadSignature, SignatureExpired."""
    return TimestampSigner(salt=route).unsign(token, max_age=GOOD_FOR)
