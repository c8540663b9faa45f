"""Documents that operators print."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from config.api import bulkheads, problems
from config.api.pdf import pdf
from config.pdf.rendering import NotPrintable

BUSY = _("Another document is being made. Try again in a moment.")


def printed(
    request: HttpRequest,
    render: Callable[[], bytes],
    *,
    organization_id: str,
    name: str,
    back: str,
) -> HttpResponse:
    """Return the PDF, which a browser saves under `name`.

    If it cannot be printed, redirect to the URL `back`, where a message says why.
    """
    try:
        with bulkheads.rendering_of(organization_id):
            return pdf(render(), name=name)
    except bulkheads.Busy:
        return problems.busy(str(BUSY))
    except NotPrintable as error:
        messages.error(request, str(error))
        return redirect(back)
