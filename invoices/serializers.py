"""The requests and responses of the invoices API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.serializers import (
    Address,
    Body,
    Choice,
    CurrencyCode,
    EmailAddress,
    ExternalId,
    MoneyOut,
)
from events.serializers import AllowedActions
from invoices import files, models


@extend_schema_field({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"})
class Amount(serializers.CharField):
    """An amount or a tax rate, as the text that is printed on the invoice."""


class InvoiceSend(Body):
    """The recipient of the mail, by default the `customer_email` of the invoice."""

    example = {"recipient_email": "accounts@example.com"}
    recipient_email = EmailAddress(required=False, allow_null=True)
    credit_note_id = ExternalId(
        required=False, allow_null=True, help_text="Send this credit note, not the invoice."
    )


class InvoiceReissue(Body):
    """The right buyer. What is left out of `buyer` is not on the new invoice."""

    example = {
        "buyer": Address.example | {"company": "Torres SA de CV", "tax_id": "TOR010101AB1"},
        "customer_email": "accounts@example.com",
    }
    buyer = Address()
    customer_email = EmailAddress(
        default=None,
        allow_null=True,
        help_text="Where the new invoice is mailed. Without one, it is not mailed.",
    )


class Party(serializers.Serializer[Any]):
    """The seller or the buyer, as known when the invoice was issued. Unknown parts are missing."""

    name = serializers.CharField(required=False)
    company = serializers.CharField(required=False)
    tax_id = serializers.CharField(required=False)
    line1 = serializers.CharField(required=False)
    line2 = serializers.CharField(required=False)
    postal_code = serializers.CharField(required=False)
    city = serializers.CharField(required=False)
    region = serializers.CharField(required=False)
    country = serializers.CharField(required=False)
    email = serializers.CharField(required=False)
    phone = serializers.CharField(required=False)
    note = serializers.CharField(required=False)


class InvoiceTax(serializers.Serializer[Any]):
    """One of several taxes on a line, or why the line is not taxed."""

    name = serializers.CharField(allow_null=True)
    rate = Amount(help_text="A fraction: `0.05` is 5 %.")
    amount = Amount()
    exemption = serializers.CharField(allow_null=True, help_text="Why the line is not taxed.")
    note = serializers.CharField(allow_null=True)


class InvoiceTaxes(serializers.ListField):
    """Several taxes; documents of the first version have none."""

    def __init__(self) -> None:
        super().__init__(
            child=InvoiceTax(),
            default=list,
            read_only=True,
            help_text="Several taxes, or why there is none. Empty if `tax_rate` is that of one.",
        )


class InvoiceLine(serializers.Serializer[Any]):
    """An item that was sold, or its shipping. `net` is the taxable amount, after the discount."""

    title = serializers.CharField()
    variant_id = serializers.CharField(allow_null=True, help_text="Null for shipping.")
    quantity = serializers.IntegerField()
    unit_price = Amount()
    discount = Amount()
    discount_codes = serializers.ListField(
        child=serializers.CharField(),
        default=list,
        help_text="The codes of what is taken off.",
    )
    net = Amount(help_text="Quantity × unit price, after the discount and before tax.")
    tax_rate = Amount(help_text="A fraction: `0.16` is 16 %. Of several taxes, their sum.")
    taxes = InvoiceTaxes()
    tax = Amount()
    total = Amount()


@extend_schema_field({"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"})
class SignedAmount(serializers.CharField):
    """An amount as the text that is printed; what is kept as a fee is negative."""


class CreditNoteLine(serializers.Serializer[Any]):
    """What a credit note takes back of a line of the invoice, or as goodwill at a tax rate."""

    kind = serializers.ChoiceField(
        ["item", "fee", "shipping", "goodwill"],
        help_text="`fee` is what is kept of the line's price, `goodwill` is for no line.",
    )
    line = serializers.IntegerField(
        allow_null=True, help_text="The number of the invoice's line, from 1. Null for goodwill."
    )
    title = serializers.CharField()
    variant_id = serializers.CharField(allow_null=True)
    quantity = serializers.IntegerField()
    net = SignedAmount()
    tax_rate = Amount(help_text="A fraction: `0.16` is 16 %. Of several taxes, their sum.")
    taxes = InvoiceTaxes()
    tax = SignedAmount()
    total = SignedAmount()


class TaxTotal(serializers.Serializer[Any]):
    """The sums of the lines with one tax. A line with several taxes is in several sums."""

    name = serializers.CharField(
        allow_null=True, default=None, help_text="Null for a tax without a name."
    )
    exemption = serializers.CharField(
        allow_null=True, default=None, help_text="Why the lines are not taxed."
    )
    note = serializers.CharField(allow_null=True, default=None)
    tax_rate = Amount(help_text="A fraction: `0.16` is 16 %.")
    net = Amount()
    tax = Amount()
    total = Amount()


class CreditNote(serializers.Serializer[Any]):
    """A part of the invoice that was refunded, or all that was left when it was replaced."""

    id = serializers.CharField()
    number = serializers.CharField()
    refund_id = serializers.CharField(
        allow_null=True, help_text="Null if it cancels the invoice, which was issued anew."
    )
    reason = serializers.CharField()
    lines = CreditNoteLine(many=True, help_text="Empty in credit notes of the first version.")
    rates = TaxTotal(many=True)
    net = MoneyOut(currency="invoice.currency")
    tax = MoneyOut(currency="invoice.currency")
    total = MoneyOut(currency="invoice.currency")
    issued_at = serializers.DateTimeField()
    issued_on = serializers.DateField(help_text="The printed date, in the seller's time zone.")
    pdf_url = serializers.SerializerMethodField()

    def get_pdf_url(self, note: models.CreditNote) -> str | None:
        return _url(note.invoice, note)


class InvoiceDelivery(serializers.Serializer[Any]):
    """A mail with the invoice, or with a credit note.

    Retries end when it is accepted, after three days of refusals, or at once if the mail server
    cannot send to such an address.
    """

    id = serializers.CharField()
    credit_note_id = serializers.CharField(allow_null=True, help_text="Null: the invoice.")
    recipient_email = serializers.CharField(allow_null=True, help_text="Null if it was erased.")
    status = Choice(models.InvoiceDelivery.Status, "InvoiceDeliveryStatus")
    attempts = serializers.IntegerField(help_text="The number of failed attempts.")
    last_error = serializers.CharField()
    queued_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)


class Invoice(serializers.Serializer[Any]):
    """An invoice with its credit notes and deliveries. Issued amounts never change."""

    id = serializers.CharField()
    number = serializers.CharField()
    status = Choice(models.Invoice.Status, "InvoiceStatus")
    order_id = serializers.CharField()
    order_number = serializers.CharField()
    replaces = serializers.CharField(
        source="replaces_id",
        allow_null=True,
        help_text="The id of the invoice, to a wrong buyer, that it replaces.",
    )
    replaced_by = serializers.CharField(
        source="replaced_by_id",
        allow_null=True,
        help_text="The id of the invoice that replaces it. Null: it is the order's current one.",
    )
    ordered_at = serializers.DateTimeField()
    purchase_order_number = serializers.CharField(
        allow_null=True, help_text="The number of the buyer's own order."
    )
    customer_id = serializers.CharField(allow_null=True)
    customer_email = serializers.CharField(allow_null=True)
    currency = CurrencyCode()
    tax_inclusive = serializers.BooleanField(
        help_text="Whether unit prices, discounts and the subtotal include tax."
    )
    delivery_country = serializers.CharField(
        allow_null=True, help_text="Null: collected, or not known."
    )
    seller = Party()
    buyer = Party()
    lines = InvoiceLine(many=True)
    rates = TaxTotal(many=True)
    subtotal = MoneyOut(help_text="The sum of the lines with shipping, before the discount.")
    discount = MoneyOut()
    tax = MoneyOut()
    total = MoneyOut()
    payment_terms = Choice(models.Invoice.Terms, "InvoiceTerms")
    due = MoneyOut(help_text="What was still to be paid when the invoice was issued.")
    due_on = serializers.DateField(allow_null=True, help_text="Until when it is to be paid.")
    issued_at = serializers.DateTimeField()
    issued_on = serializers.DateField(help_text="The printed date, in the seller's time zone.")
    sent_at = serializers.DateTimeField(allow_null=True, help_text="When it was last sent.")
    pdf_url = serializers.SerializerMethodField()
    credit_notes = CreditNote(many=True)
    deliveries = InvoiceDelivery(many=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    allowed_actions = AllowedActions(models.Invoice)

    def get_pdf_url(self, invoice: models.Invoice) -> str | None:
        return _url(invoice)


def _url(invoice: models.Invoice, note: models.CreditNote | None = None) -> str | None:
    document = invoice.document(note)
    return files.signed_url(document) if document else None
