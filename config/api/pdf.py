"""PDFs, as routes answer them."""

from typing import Any

from django.http import HttpResponse
from rest_framework.renderers import BaseRenderer, JSONRenderer


class Pdf(BaseRenderer):
    """What a client may `Accept`, and in `takes(answers=Pdf)` what the schema shows."""

    media_type = "application/pdf"
    format = "pdf"
    example = "%PDF-1.4 …"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        """Return what the view answers as it is."""
        return bytes(data)


RENDERERS = [JSONRenderer, Pdf]  # whichever of them a client prefers, it gets the PDF


def pdf(content: bytes, *, name: str) -> HttpResponse:
    """Answer with a PDF that a browser shows, and saves under its name."""
    disposition = f'inline; filename="{name}.pdf"'
    headers = {"Content-Disposition": disposition, "Cache-Control": "private"}
    return HttpResponse(content, content_type=Pdf.media_type, headers=headers)
