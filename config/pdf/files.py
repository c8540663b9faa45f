"""PDFs in the default storage, and signed URLs that open them without an access token."""

from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.signing import TimestampSigner
from django.urls import reverse
from django.utils import timezone

from config.core.models import LinkRevocation


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


def delete(path: str) -> None:
    """Delete a stored PDF, if it exists."""
    default_storage.delete(path)


def signed_url(route: str, row_id: str) -> str:
    """Return a URL of the named route. Anyone who has it can open the PDF.

    It is valid for the days of `DOCUMENT_LINK_DAYS`, unless it is revoked.
    """
    token = TimestampSigner(salt=route).sign(row_id)
    return f"{settings.PUBLIC_URL}{reverse(route, args=[token])}"


def verify_token(route: str, token: str) -> str:
    """Return the id of the row that a signed URL opens. Raises BadSignature, SignatureExpired."""
    signer = TimestampSigner(salt=route)
    row_id = signer.unsign(token)
    valid_for = timedelta(days=settings.DOCUMENT_LINK_DAYS)
    if revocation := LinkRevocation.objects.filter(pk=row_id).first():
        valid_for = min(valid_for, timezone.now() - revocation.revoked_at)
    return signer.unsign(token, max_age=valid_for)


def revoke_links(row_ids: Iterable[str]) -> None:
    """Revoke all links to the PDFs of these rows that are signed up to the current second."""
    now = timezone.now()
    LinkRevocation.objects.bulk_create(
        [LinkRevocation(row_id=row_id, revoked_at=now) for row_id in row_ids],
        update_conflicts=True,
        unique_fields=["row_id"],
        update_fields=["revoked_at"],
    )
