"""The admin of invoices."""

from collections.abc import Mapping, Sequence

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.admin.columns import address, amount, badge, words
from config.admin.commands import Command
from config.admin.filters import CreatedFilter
from config.admin.pages import Lines, PolicyAdmin, tab
from config.admin.queues import Queue, QueueFilter
from config.api.pdf import pdf
from events.admin.aggregates import AggregateAdmin
from invoices import einvoices, files, selectors, serializers, services
from invoices.models import CreditNote, Document, Invoice, InvoiceDelivery, Seller

STATUS = badge("status", {"issued": "info", "sent": "success"})
DELIVERY_STATUS = badge("status", {"queued": "warning", "sent": "success"})
AMOUNTS = ("tax_rate", "net", "tax", "total")
RATE = ("name", *AMOUNTS, "exemption", "note")
LINE = ("title", "variant_id", "quantity", "unit_price", "discount", *AMOUNTS)


def credit_notes(invoice: Invoice) -> Mapping[str, list[tuple[str, str]]]:
    """Return the credit notes of an invoice, as the form's choices."""
    return {"credit_note_id": [(note.id, note.number) for note in invoice.credit_notes]}


class CreditNotes(Lines):
    """The credit notes of an invoice."""

    model = CreditNote
    list_select_related = ("invoice", "document")
    verbose_name_plural = _("credit notes")
    fields = readonly_fields = [
        "number",
        *(amount(name, currency="invoice.currency") for name in ("net", "tax", "total")),
        "items",
        "reason",
        "refund_id",
        "issued_at",
        "pdf",
    ]

    @admin.display(description=_("lines"))
    def items(self, note: CreditNote) -> str:
        return ", ".join(f"{line['title']} {line['total']}" for line in note.lines) or "-"

    @admin.display(description="PDF")
    def pdf(self, note: CreditNote) -> SafeString | str:
        return link(getattr(note, "document", None), note.number)


class Deliveries(Lines):
    """The mails of an invoice, and their errors."""

    model = InvoiceDelivery
    verbose_name_plural = _("mails")
    list_select_related = ("credit_note",)
    fields = readonly_fields = [
        "credit_note",
        "recipient_email",
        DELIVERY_STATUS,
        "queued_at",
        "sent_at",
        "attempts",
        "next_attempt",
        "last_error",
    ]

    @admin.display(description=_("next attempt"))
    def next_attempt(self, delivery: InvoiceDelivery) -> str:
        return localize(delivery.due_at) if delivery.due_at else "-"


@admin.register(Invoice)
class InvoiceAdmin(AggregateAdmin):
    icon = "description"
    commands = {
        "send": Command(
            services.send_invoice,
            serializers.InvoiceSend,
            label=_("Send invoice"),
            done=_("Invoice {row} was queued for sending."),
            start=lambda invoice: {"recipient_email": invoice.customer_email},
            choices=credit_notes,
            icon="mail",
            description=_("Mail the invoice or a credit note to the buyer, or another address."),
        ),
        "reissue": Command(
            services.reissue_invoice,
            serializers.InvoiceReissue,
            label=_("Issue anew"),
            done=_("Invoice {row} was cancelled, and issued anew."),
            start=lambda invoice: {
                "buyer": invoice.buyer,
                "customer_email": invoice.customer_email,
            },
            icon="published_with_changes",
            description=_(
                "For an invoice to a wrong buyer. A credit note cancels it, and a new invoice has "
                "the data that you enter. Both are mailed; credit notes of refunds are issued anew."
            ),
            ends=True,
        ),
        "revoke-links": Command(
            services.revoke_links,
            label=_("Revoke links"),
            done=_("The links to invoice {row} were revoked."),
            icon="link_off",
            description=_(
                "The links that opened the invoice and its credit notes open nothing any more. "
                "A new mail has a new link."
            ),
        ),
    }
    queues = (
        Queue("unsent", _("Invoices with a failed PDF or mail"), selectors.NOT_SENT, "mail_off"),
        Queue(
            "no-address",
            _("Invoices without an e-mail address"),
            selectors.WITHOUT_ADDRESS,
            "alternate_email",
        ),
    )
    prints = {"print_invoices": (_("Print"), lambda invoice: files.read(invoice.document()))}
    inlines = [CreditNotes, Deliveries]
    list_display = [
        "number",
        STATUS,
        "organization_id",
        "order_number",
        "customer_id",
        amount("total"),
        "issued_at",
        "sent_at",
        "replaced_by",
    ]
    list_filter = [QueueFilter, "status", ("issued_at", CreatedFilter)]
    search_fields = [
        *("number", "id", "order_id", "customer_id", "organization_id", "purchase_order_number"),
    ]
    search_help_text = _(
        "The full id of an invoice, order, customer or organization, an invoice number, or a "
        "purchase order number"
    )
    fields = [
        ("number", STATUS),
        ("id", "organization_id"),
        ("order", "ordered_at"),
        "purchase_order_number",
        ("replaces", "replaced_by"),
        ("issued_at", "sent_at"),
        ("issued_on", "time_zone"),
        (amount("total"), "pdf"),
        "items",
    ]
    tabs = (
        tab(
            _("Seller and buyer"),
            (address("seller"), address("buyer")),
            ("customer_id", "customer_email"),
        ),
        tab(
            _("Amounts"),
            (amount("subtotal"), amount("discount")),
            (amount("tax"), amount("total")),
            ("tax_inclusive", "delivery_country"),
            ("taxes",),
        ),
        tab(_("PDF"), ("sha256",), ("electronic_invoice",)),
    )

    def rows(self, request: HttpRequest) -> QuerySet[Invoice]:
        return selectors.with_parts().select_related("order", "replaces", "replaced_by")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.pdf_view)
        return [path("pdf/<slug:document_id>/", view, name="invoices_pdf"), *super().get_urls()]

    def pdf_view(self, request: HttpRequest, document_id: str) -> HttpResponse:
        """Return a PDF to an operator who may view invoices."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        document = selectors.document(document_id)
        if document is None or document.rendered_at is None:
            raise Http404
        if self.get_object(request, document.invoice_id) is None:
            raise Http404
        return pdf(files.read(document), name=document.number)

    @admin.display(description="PDF")
    def pdf(self, invoice: Invoice) -> SafeString | str:
        documents = invoice.documents.all()
        own = next((each for each in documents if each.credit_note_id is None), None)
        return link(own, invoice.number)

    @admin.display(description=_("lines"))
    def items(self, invoice: Invoice) -> SafeString:
        return table(LINE, invoice.lines)

    @admin.display(description=_("by tax rate"))
    def taxes(self, invoice: Invoice) -> SafeString:
        return table(RATE, invoice.rates)

    @admin.display(description="SHA-256")
    def sha256(self, invoice: Invoice) -> str:
        document = invoice.document()
        return document.sha256 if document else "-"

    @admin.display(description=_("electronic invoice"))
    def electronic_invoice(self, invoice: Invoice) -> str:
        if not invoice.is_kept():
            return "-"
        issued = [(invoice.number, None), *((note.number, note) for note in invoice.credit_notes)]
        return "\n".join(
            f"{number}: {einvoices.obstacle(invoice, note) or gettext('Embedded in the PDF.')}"
            for number, note in issued
        )


def link(document: Document | None, number: str) -> SafeString | str:
    """Return a link to a PDF, or why there is none."""
    if document is None or document.rendered_at is None:
        return (document and document.last_error) or gettext("not rendered yet, or deleted")
    url = reverse("admin:invoices_pdf", args=[document.id])
    return format_html('<a href="{}" class="console-link" target="_blank">{}.pdf</a>', url, number)


def table(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> SafeString:
    """Return an HTML table of rows of the invoice, with the amounts as they are printed."""
    head = format_html_join("", "<th>{}</th>", ((words(name),) for name in columns))
    body = format_html_join(
        "",
        "<tr>{}</tr>",
        (
            (format_html_join("", "<td>{}</td>", ((row.get(name) or "-",) for name in columns)),)
            for row in rows
        ),
    )
    return format_html(
        '<table class="console-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>',
        head,
        body,
    )


@admin.register(Seller)
class SellerAdmin(PolicyAdmin):
    icon = "storefront"
    list_display = ["organization_id", "name", "tax_id", "email"]
