"""PDFs, as routes answer them."""

from collections.abc import Callable
from typing import Any

from django.core.signing import BadSignature, SignatureExpired
from django.http import Http404, HttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework.exceptions import APIException
from rest_framework.renderers import BaseRenderer, JSONRenderer


class LinkExpired(APIException):
    """The link was good for 30 days: ask for the document with a token, or for a new link."""

    status_code = 410
    default_code = "link_expired"
    default_detail = (
        "This link was good for 30 days. Ask who sent it for a new link, or get one with a token: "
        "it stands in what the API shows of an invoice or a shipment."
    )


class Pdf(BaseRenderer):
    """The renderer of views that return a PDF; as `endpoint(response=Pdf)`, also their schema."""

    media_type = "application/pdf"
    format = "pdf"
    example = "%PDF-1.4 …"
    openapi_type = OpenApiTypes.BINARY

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        """Return what the view answers as it is."""
        return bytes(data)


RENDERERS = [JSONRenderer, Pdf]  # whichever of them a client prefers, it gets the PDF


def pdf(content: bytes, *, name: str) -> HttpResponse:
    """Answer with a PDF that a browser shows, and saves under its name."""
    disposition = f'inline; filename="{name}.pdf"'
    headers = {"Content-Disposition": disposition, "Cache-Control": "private"}
    return HttpResponse(content, content_type=Pdf.media_type, headers=headers)


def row_behind(token: str, row_of: Callable[[str], str]) -> str:
    """Return which row a signed URL is of. Raises LinkExpired, Http404."""
    try:
        return row_of(token)
    except SignatureExpired as error:
        raise LinkExpired from error
    except BadSignature as error:
        raise Http404 from error
