"""Views that return PDFs."""

from collections.abc import Callable
from typing import Any

from django.core.signing import BadSignature, SignatureExpired
from django.http import Http404, HttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from rest_framework.exceptions import APIException
from rest_framework.renderers import BaseRenderer, JSONRenderer


class LinkExpired(APIException):
    """The link is too old or was revoked: get a new one with a token."""

    status_code = 410
    default_code = "link_expired"
    default_detail = (
        "This link has expired or was revoked. Ask the sender for a new link, or get one with a "
        "token from the API's response for the invoice or the shipment."
    )


class Pdf(BaseRenderer):
    """The renderer of views that return a PDF; as `endpoint(response=Pdf)`, also their schema."""

    media_type = "application/pdf"
    format = "pdf"
    example = "%PDF-1.4 …"
    openapi_type = OpenApiTypes.BINARY

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        """Return the content unchanged."""
        return bytes(data)


class Xml(Pdf):
    """The renderer of views that return XML; as `endpoint(response=Xml)`, also their schema."""

    media_type = "application/xml"
    format = "xml"
    example = "<?xml …"


RENDERERS = [JSONRenderer, Pdf]  # a client that accepts either gets the PDF


def pdf(content: bytes, *, name: str) -> HttpResponse:
    """Return a response with a PDF that a browser displays, and saves under `name`."""
    return file(content, Pdf, name=name)


def file(content: bytes, kind: type[Pdf], *, name: str) -> HttpResponse:
    """Return a response with a file that a browser displays, and saves under `name`."""
    # A carrier's tracking number may have quotes.
    filename = f"{name}.{kind.format}"
    disposition = content_disposition_header(as_attachment=False, filename=filename)
    headers = {"Content-Disposition": disposition, "Cache-Control": "private"}
    return HttpResponse(content, content_type=kind.media_type, headers=headers)


def row_behind(token: str, row_of: Callable[[str], str]) -> str:
    """Return the id of the row that a signed URL opens. Raises LinkExpired, Http404."""
    try:
        return row_of(token)
    except SignatureExpired as error:
        raise LinkExpired from error
    except BadSignature as error:
        raise Http404 from error
