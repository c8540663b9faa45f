"""The errors of the invoices context."""

from config.core.exceptions import Conflict


class NotRendered(Conflict):
    """The PDF is not rendered yet: retry after `Retry-After` seconds."""

    code = "not_rendered"
    example = "The PDF is not rendered yet. Retry in a few seconds."
    wait = 5
