"""Invoices as JSON."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.serializers import (
    AllowedActions,
    Body,
    Choice,
    CurrencyCode,
    MoneyOut,
)
from invoices import files
from invoices.models import CreditNote, Invoice, InvoiceDelivery

PDF_URL = "https://orders.example.com/api/v1/documents/doc_01JCZ5D8M4Q7T0W3Z6C9F2H5K8:1vM…:9Xk…"


@extend_schema_field({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"})
class Amount(serializers.CharField):
    """An amount, or a rate, that is kept as the text that was printed."""


class Sending(Body):
    """To whom it goes, if not to the buyer."""

    example = {"recipient_email": "accounts@example.com"}
    recipient_email = serializers.EmailField(max_length=254, required=False, allow_null=True)


class PartyOut(serializers.Serializer[Any]):
    """A seller or a buyer, as far as it was known when the invoice was issued."""

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


class LineOut(serializers.Serializer[Any]):
    """What was sold, or its shipping. `net` is what tax is due on: after the discount."""

    title = serializers.CharField()
    variant_id = serializers.CharField(allow_null=True, help_text="Null for shipping.")
    quantity = serializers.IntegerField()
    unit_price = Amount()
    discount = Amount()
    net = Amount()
    tax_rate = Amount()
    tax = Amount()
    total = Amount()


class RateOut(serializers.Serializer[Any]):
    """The sums of a tax rate."""

    tax_rate = Amount()
    net = Amount()
    tax = Amount()
    total = Amount()


class CreditNoteOut(serializers.Serializer[Any]):
    """Money of the invoice that has gone back."""

    id = serializers.CharField()
    number = serializers.CharField()
    refund_id = serializers.CharField()
    reason = serializers.CharField()
    rates = RateOut(many=True)
    net = MoneyOut(currency="invoice.currency")
    tax = MoneyOut(currency="invoice.currency")
    total = MoneyOut(currency="invoice.currency")
    issued_at = serializers.DateTimeField()
    pdf_url = serializers.SerializerMethodField()

    def get_pdf_url(self, note: CreditNote) -> str | None:
        return _url(note.invoice, note)


class DeliveryOut(serializers.Serializer[Any]):
    """A mail with the invoice; while it is queued, it is tried again and again."""

    id = serializers.CharField()
    recipient_email = serializers.CharField()
    status = Choice(InvoiceDelivery.Status, "InvoiceDeliveryStatus")
    attempts = serializers.IntegerField(help_text="How many have failed.")
    last_error = serializers.CharField()
    queued_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)


class InvoiceOut(serializers.Serializer[Any]):
    """An invoice, as it was issued; and what has become of it."""

    example = {
        "id": "inv_01JCZ5D3X6A9D2G5J8M1P4R7TV",
        "number": "INV-2025-0001",
        "status": "sent",
        "order_id": "order_01JCZ5B2QH8M3T6R9W1K4X7V0B",
        "order_number": "ORD-2025-0001",
        "ordered_at": "2025-11-23T15:05:00Z",
        "customer_id": "cust_ana",
        "customer_email": "ana@example.com",
        "currency": "USD",
        "seller": {"name": "Casa Luna S.A.", "tax_id": "CLU010101AB1", "country": "MX"},
        "buyer": {
            "name": "Ana Torres",
            "line1": "Calle de la Luna 12",
            "city": "Puebla",
            "postal_code": "72000",
            "country": "MX",
        },
        "lines": [
            {
                "title": "Stoneware mug",
                "variant_id": "var_mug",
                "quantity": 4,
                "unit_price": "12.50",
                "discount": "5.00",
                "net": "45.00",
                "tax_rate": "0.16",
                "tax": "7.20",
                "total": "52.20",
            }
        ],
        "rates": [{"tax_rate": "0.16", "net": "45.00", "tax": "7.20", "total": "52.20"}],
        "subtotal": "50.00",
        "discount": "5.00",
        "tax": "7.20",
        "total": "52.20",
        "issued_at": "2025-11-23T15:10:00Z",
        "sent_at": "2025-11-23T15:10:04Z",
        "pdf_url": PDF_URL,
        "credit_notes": [],
        "deliveries": [
            {
                "id": "del_01JCZ5D5R8V1Y4B7E0H3K6N9QS",
                "recipient_email": "ana@example.com",
                "status": "sent",
                "attempts": 0,
                "last_error": "",
                "queued_at": "2025-11-23T15:10:00Z",
                "sent_at": "2025-11-23T15:10:04Z",
            }
        ],
        "created_at": "2025-11-23T15:10:00Z",
        "updated_at": "2025-11-23T15:10:04Z",
        "allowed_actions": ["send"],
    }
    id = serializers.CharField()
    number = serializers.CharField()
    status = Choice(Invoice.Status, "InvoiceStatus")
    order_id = serializers.CharField()
    order_number = serializers.CharField()
    ordered_at = serializers.DateTimeField()
    customer_id = serializers.CharField(allow_null=True)
    customer_email = serializers.CharField(allow_null=True)
    currency = CurrencyCode()
    seller = PartyOut()
    buyer = PartyOut()
    lines = LineOut(many=True)
    rates = RateOut(many=True)
    subtotal = MoneyOut(help_text="Of the lines, shipping included, before the discount.")
    discount = MoneyOut()
    tax = MoneyOut()
    total = MoneyOut()
    issued_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True, help_text="The latest time.")
    pdf_url = serializers.SerializerMethodField()
    credit_notes = CreditNoteOut(many=True, source="notes")
    deliveries = DeliveryOut(many=True, source="mails")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    allowed_actions = AllowedActions(Invoice)

    def get_pdf_url(self, invoice: Invoice) -> str | None:
        return _url(invoice)


def _url(invoice: Invoice, note: CreditNote | None = None) -> str | None:
    document = invoice.document(note)
    return files.signed_url(document) if document else None
