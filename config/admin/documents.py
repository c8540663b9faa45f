"""Documents that operators print."""

from collections.abc import Callable

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from config.api import bulkheads, problems
from config.api.pdf import pdf
from config.pdf.rendering import NotPrintable

BUSY = _("Another document is being made. Try again in a moment.")


def printed(render: Callable[[], bytes], *, organization_id: str, name: str) -> HttpResponse:
    """Return the PDF, which a browser saves under `name`, or a problem that says why not."""
    try:
        with bulkheads.rendering_of(organization_id):
            return pdf(render(), name=name)
    except bulkheads.Busy:
        return problems.busy(str(BUSY))
    except NotPrintable as error:
        return problems.problem(422, error.code, str(error))
