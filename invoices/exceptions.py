"""The errors of the invoices context."""

from config.core.exceptions import Conflict, Missing


class NotRendered(Conflict):
    """The PDF is not rendered yet: retry after `Retry-After` seconds."""

    code = "not_rendered"
    example = "The PDF is not rendered yet. Retry in a few seconds."
    wait = 5


class DocumentDeleted(Missing):
    """The law does not require the invoice any more, so its PDFs and its buyer were deleted."""

    code = "document_deleted"
    example = "The documents of INV-2015-0042 were deleted on 2026-01-01."


class NoElectronicInvoice(Missing):
    """The document was issued without an electronic invoice: `detail` says why."""

    code = "no_electronic_invoice"
    example = "EN 16931 has no amounts of three decimals."


class UnknownCreditNote(Missing):
    """The invoice has no such credit note."""

    example = "inv_01JCZ5D3X6A9D2G5J8M1P4R7TV has no credit note cn_01JCZ6B3D5F7H9K1M3P5R7T9V1."
