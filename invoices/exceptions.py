"""The errors of the invoices context."""

from config.core.exceptions import Conflict


class NotRendered(Conflict):
    """The PDF is not rendered yet. Retry in a few seconds."""

    code = "not_rendered"
    example = "The PDF of INV-2025-0001 is not rendered yet. Retry in a few seconds."
