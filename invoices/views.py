"""The invoices' REST API."""

from django.http import Http404, HttpResponse
from rest_framework.decorators import (
    action,
    api_view,
    authentication_classes,
    permission_classes,
    renderer_classes,
)
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.operations import endpoint
from config.api.pdf import RENDERERS, Pdf, pdf, row_behind
from config.api.views import ContextViewSet
from invoices import files, selectors, serializers, services
from invoices.filters import InvoiceFilters


class Invoices(ListModelMixin, RetrieveModelMixin, ContextViewSet):
    """An invoice, its credit notes, and its way to the customer."""

    scope = "invoices"
    queryset = selectors.with_parts()
    serializer_class = serializers.Invoice
    filterset_class = InvoiceFilters

    @action(detail=True, renderer_classes=RENDERERS)
    @endpoint(response=Pdf)
    def pdf(self, request: Request, pk: str) -> HttpResponse:
        """The invoice as PDF. That of a credit note is under its `pdf_url`."""
        invoice = self.get_object()
        return pdf(files.read(invoice.document()), name=invoice.number)

    @action(detail=True, methods=["post"])
    @endpoint(request=serializers.InvoiceSend)
    def send(self, request: Request, pk: str) -> Response:
        """Mail it, for the first time or again: to the buyer, or to whom the body names."""
        invoice = self.get_object()
        return self.answer(services.send_invoice(invoice_id=invoice.id, **self.body()))


@api_view(["GET"])
@authentication_classes([])
@permission_classes([])
@renderer_classes(RENDERERS)
def document(request: Request, token: str) -> HttpResponse:
    """Show the PDF that a signed URL is of, to whoever has the URL."""
    found = selectors.document(row_behind(token, files.document_id))
    if found is None:
        raise Http404
    return pdf(files.read(found), name=found.number)
