"""Billing an order, and taking back what was refunded."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from config.core.locks import lock
from config.core.numbering import next_number
from invoices import selectors
from invoices.models import CreditNote, Invoice
from orders import selectors as orders

LINE = ("title", "variant_id", "quantity", "unit_price", "discount", "tax_rate", "tax", "total")


@transaction.atomic
def issue_invoice(*, order_id: str) -> Invoice:
    """Bill a confirmed order. Once: it has one invoice, whatever becomes of it."""
    order = orders.get_for_update(order_id)
    if invoice := selectors.lock_of_order(order_id):
        return invoice
    seller = selectors.seller(order.organization_id)
    number, at = _next_number(order.organization_id, "INV")
    invoice = Invoice.issue(
        organization_id=order.organization_id,
        number=number,
        order_id=order.id,
        order_number=order.number,
        ordered_at=order.placed_at,
        customer_id=order.customer_id,
        customer_email=order.customer_email,
        currency=order.currency,
        seller=seller,
        buyer=order.billing_address or order.shipping_address or {},
        lines=list(_lines(order)),
        issued_at=at,
    )
    invoice.save(force_insert=True)
    return invoice


@transaction.atomic
def issue_credit_note(
    *, order_id: str, refund_id: str, amount: Decimal, currency: str, reason: str
) -> Invoice | None:
    """Take back what was refunded of an order's invoice; once per refund.

    Money that was never invoiced is none of the invoice's: an order without one, another currency,
    or what exceeds it.
    """
    orders.get_for_update(order_id)
    invoice = selectors.lock_of_order(order_id)
    if invoice is None or invoice.currency != currency:
        return None
    amount = min(amount, invoice.creditable)
    if not amount or CreditNote.objects.filter(refund_id=refund_id).exists():
        return invoice
    number, at = _next_number(invoice.organization_id, "CN")
    invoice.credit(number=number, refund_id=refund_id, amount=amount, reason=reason, at=at)
    invoice.save()
    return invoice


def _next_number(organization_id: str, series: str) -> tuple[str, datetime]:
    """Return the next number and its moment.

    The moment is read when nobody else can take a number before this transaction ends: so moments
    ascend with numbers, and both are of the same year.
    """
    lock(f"{series} of {organization_id}")
    at = timezone.now()
    return next_number(organization_id=organization_id, series=series, at=at), at


def _lines(order: Any) -> Iterator[dict[str, Any]]:
    """Yield what was sold, and shipping where it costs something: net of the discount, and tax."""
    for line in order.lines:
        row = {name: getattr(line, name) for name in LINE}
        yield {**row, "net": line.net - line.discount}
    if order.shipping_cost:
        how = " ".join(filter(None, [order.carrier, order.service]))
        yield {
            "title": f"Shipping ({how})" if how else "Shipping",
            "variant_id": None,
            "quantity": 1,
            "unit_price": order.shipping_cost,
            "discount": Decimal(0),
            "net": order.shipping_cost,
            "tax_rate": order.shipping_tax_rate,
            "tax": order.shipping_tax,
            "total": order.shipping_cost + order.shipping_tax,
        }
