"""The REST API of invoices."""

from django.http import Http404, HttpResponse
from rest_framework.decorators import action, renderer_classes
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from config.api.errors import ErrorExample
from config.api.operations import endpoint, public
from config.api.pdf import RENDERERS, LinkExpired, Pdf, Xml, file, pdf, row_behind
from config.api.views import command
from config.core.exceptions import AddressRequired
from events.aggregate import InvalidTransition
from events.viewsets import AggregateViewSet
from invoices import files, selectors, serializers, services
from invoices.exceptions import DocumentDeleted, NoElectronicInvoice, NotRendered, UnknownCreditNote
from invoices.filters import InvoiceFilters
from invoices.models import Invoice


class Invoices(AggregateViewSet):
    """Invoices with their credit notes and deliveries."""

    scope = "invoices"
    queryset = selectors.with_parts()
    serializer_class = serializers.Invoice
    get_for_update = staticmethod(selectors.get_for_update)
    complete = staticmethod(selectors.complete)
    filterset_class = InvoiceFilters
    lines = ("lines",)

    @action(detail=True, renderer_classes=RENDERERS)
    @endpoint(response=Pdf, operation_id="get_invoice_pdf", errors=[NotRendered, DocumentDeleted])
    def pdf(self, request: Request, pk: str) -> HttpResponse:
        """Get the invoice as PDF. The PDF of a credit note is at its `pdf_url`."""
        invoice = self.get_object()
        invoice.expect_kept()
        return pdf(files.read(invoice.document()), name=invoice.number)

    @action(detail=True, renderer_classes=[JSONRenderer, Xml])
    @endpoint(
        response=Xml,
        operation_id="get_invoice_xml",
        errors=[NotRendered, DocumentDeleted, NoElectronicInvoice],
    )
    def xml(self, request: Request, pk: str) -> HttpResponse:
        """Get the electronic invoice (Factur-X, EN 16931), as it is embedded in the PDF."""
        invoice = self.get_object()
        invoice.expect_kept()
        content = files.read_xml(invoice.document())
        return file(content, Xml, name=invoice.number)

    @command(
        serializers.InvoiceSend,
        example="invoice_sent_again",
        errors=[AddressRequired, DocumentDeleted, UnknownCreditNote],
        scope="send",
    )
    def send(self, invoice: Invoice) -> Invoice:
        """Mail the invoice or a credit note, for the first time or again.

        The default recipient is the buyer.
        """
        return services.send_invoice(invoice_id=invoice.id, **self.body())

    @command(
        serializers.InvoiceReissue,
        status=201,
        example="invoice_reissued",
        errors=[
            DocumentDeleted,
            ErrorExample.of(InvalidTransition)._replace(
                detail="`reissue` is not possible for inv_01JCZ5B2QH8M3T6R9W1K4X7V0B: it is sent, "
                "and needs that no other invoice has replaced it.",
                members={"allowed_actions": ["send", "revoke-links"]},
            ),
        ],
        scope="reissue",
    )
    def reissue(self, invoice: Invoice) -> Invoice:
        """Cancel an invoice to a wrong buyer by a credit note, and issue it to the right one.

        Credit notes of refunds are issued anew for the new invoice, which is the response.
        """
        return services.reissue_invoice(invoice_id=invoice.id, **self.body())

    @command(example="invoice_sent_again", operation_id="revoke_invoice_links", scope="send")
    def revoke_links(self, invoice: Invoice) -> Invoice:
        """Revoke all links to the invoice and its credit notes, which open without a token."""
        return services.revoke_links(invoice_id=invoice.id, **self.body())


@public(
    "GET",
    response=Pdf,
    operation_id="download_document",
    tag="invoices",
    parameters={"token": "The last part of a `pdf_url`."},
    errors=[LinkExpired, DocumentDeleted],
)
@renderer_classes(RENDERERS)
def document(request: Request, token: str) -> HttpResponse:
    """Get an invoice or a credit note as PDF, by its signed URL.

    Needs no token: the URL in `pdf_url` grants access for 30 days (`DOCUMENT_LINK_DAYS`), unless it
    is revoked.
    """
    found = selectors.document(row_behind(token, files.document_id))
    if found is None:
        raise Http404
    found.invoice.expect_kept()
    return pdf(files.read(found), name=found.number)
