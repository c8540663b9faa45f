"""What can be done with invoices: one function per verb."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from django.db.models import QuerySet
from django.utils import timezone

import payments.selectors
from config.core import outbound
from config.core.clock import local
from config.core.exceptions import AddressRequired
from config.core.locks import lock
from config.core.mail import AddressNotSupported
from config.core.numbering import next_numbers
from config.core.timers import BATCH_SIZE
from config.core.unit_of_work import unit_of_work
from config.pdf.rendering import NotPrintable
from invoices import files, mail, selectors
from invoices.models import Document, Invoice, InvoiceDelivery
from invoices.models.lines import CreditedPart, Line
from orders import selectors as orders

if TYPE_CHECKING:
    from orders.models import Order
    from payments.events import RefundPart

logger = logging.getLogger(__name__)

Row = TypeVar("Row", Document, InvoiceDelivery)

LEASE = timedelta(minutes=5)  # longer than rendering a PDF or sending a mail takes
TIME_SLICE = 2.0  # seconds for each kind of call: the next run begins soon after
MAX_REFUSALS = 80  # about three days
SERVER_PAUSE = timedelta(minutes=1)


@unit_of_work()
def issue_invoice(*, order_id: str) -> Invoice:
    """Issue the invoice of a confirmed order; return the existing one if there is one."""
    order = orders.get_for_update(order_id)
    if invoice := selectors.of_order_for_update(order):
        return invoice
    seller = selectors.seller(order.organization_id)
    [number], at = _next_numbers(order, "INV")
    invoice = Invoice.issue(
        organization_id=order.organization_id,
        number=number,
        order=order,
        order_number=order.number,
        ordered_at=order.placed_at,
        purchase_order_number=order.purchase_order_number,
        customer_id=order.customer_id,
        customer_email=order.customer_email,
        locale=order.locale,
        currency=order.currency,
        tax_inclusive=order.tax_inclusive,
        delivery_country=(order.shipping_address or {}).get("country"),
        seller=seller,
        buyer=order.billing_address or order.shipping_address or {},
        lines=list(_lines(order)),
        issued_at=at,
        time_zone=order.time_zone,
        **_terms(order),
    )
    invoice.save(force_insert=True)
    return invoice


@unit_of_work()
def issue_credit_note(
    *,
    order_id: str,
    refund_id: str,
    amount: Decimal,
    currency: str,
    reason: str,
    parts: Sequence["RefundPart"] = (),
) -> Invoice | None:
    """Credit a refund to the invoice of its order, once per refund; return the invoice.

    `parts` say what the refund is for; what they do not is goodwill. Money that was not invoiced is
    not credited: the refund of an order without an invoice, and a refund in another currency.
    """
    order = orders.get_for_update(order_id)
    invoice = selectors.of_order_for_update(order)
    if invoice is None or invoice.currency != currency:
        return None
    amount = min(amount, invoice.creditable_amount)
    if amount <= 0 or any(note.refund_id == refund_id for note in invoice.credit_notes):
        return invoice
    [number], at = _next_numbers(order, "CN")
    invoice.credit(
        number=number,
        refund_id=refund_id,
        amount=amount,
        parts=list(_credited(order, parts)),
        reason=reason,
        at=at,
    )
    invoice.save()
    return invoice


@unit_of_work()
def reissue_invoice(
    *, invoice_id: str, buyer: Mapping[str, str], customer_email: str | None = None
) -> Invoice:
    """Cancel an invoice to a wrong buyer by a credit note, issue it anew, and return the new one.

    It has the purchase order number that the order has now, unless that is erased. The credit notes
    of refunds are issued anew too. A repeated request returns the invoice that the
    first one has issued. Raises DocumentDeleted, InvalidTransition.
    """
    invoice = selectors.get_for_update(invoice_id)
    order = invoice.order
    buyer = {name: part for name, part in buyer.items() if part}
    if invoice.replaced_by_id:
        issued = selectors.get_for_update(invoice.replaced_by_id)
        if issued.is_to(buyer, customer_email):
            return issued
    invoice.expect_kept()
    refunded = list(invoice.credit_notes)
    seller = selectors.seller(order.organization_id)
    [number], at = _next_numbers(order, "INV")
    replacement = invoice.replacement(
        number=number,
        seller=seller,
        buyer=buyer,
        customer_email=customer_email,
        purchase_order_number=order.purchase_order_number or invoice.purchase_order_number,
        unpaid=invoice.total - payments.selectors.received(order),
        at=at,
    )
    numbers, at = _next_numbers(order, "CN", 1 + len(refunded))
    invoice.replace(by=replacement, number=numbers[0], at=at)
    for note, number in zip(refunded, numbers[1:], strict=True):
        replacement.credit_again(note=note, number=number, at=at)
    invoice.save()
    replacement.save(force_insert=True)
    return replacement


def _next_numbers(order: "Order", series: str, count: int = 1) -> tuple[list[str], datetime]:
    """Return the next numbers of a series and the moment of issue.

    The moment is read after the lock, so that moments ascend with the numbers, and a number and its
    moment are of the same year.
    """
    organization_id = order.organization_id
    lock(f"{series} of {organization_id}")
    now = timezone.now()
    at = local(now, order.time_zone)
    return next_numbers(count, organization_id=organization_id, series=series, at=at), now


def _terms(order: "Order") -> dict[str, Any]:
    """Return what is still to be paid of a confirmed order, and when."""
    if order.payment_id or not (owed := payments.selectors.on_account(order)):
        return {}
    until, due = owed.payable_until, order.total - payments.selectors.received(order)
    if due <= 0:
        return {}
    return {
        "payment_terms": order.payment_method if order.is_on_account else Invoice.Terms.AUTHORIZED,
        "due": due,
        "due_on": until and local(until, order.time_zone).date(),
    }


def _lines(order: "Order") -> Iterator[Line]:
    """Yield a line for each item of the order, and one for shipping if it has a price."""
    for item in order.lines:
        share = order.discount_code if item.discount > item.line_discount else None
        yield Line(
            title=item.title,
            variant_id=item.variant_id,
            quantity=item.quantity,
            unit_price=item.unit_price,
            discount=item.discount,
            discount_codes=[*filter(None, [item.discount_code, share])],
            net=item.net,
            tax_rate=item.tax_rate,
            taxes=item.taxes,
            tax=item.tax,
            total=item.total,
        )
    if order.shipping_price:
        method = " ".join(filter(None, [order.carrier, order.service]))
        yield Line(
            title=f"Shipping ({method})" if method else "Shipping",
            variant_id=None,
            quantity=1,
            unit_price=order.shipping_price,
            discount=order.shipping_discount,
            discount_codes=[*filter(None, [order.shipping_discount_code])],
            net=order.shipping_total - order.shipping_tax,
            tax_rate=order.shipping_tax_rate,
            taxes=order.shipping_taxes,
            tax=order.shipping_tax,
            total=order.shipping_total,
        )


def _credited(order: "Order", parts: Sequence["RefundPart"]) -> Iterator[CreditedPart]:
    """Yield the parts of a refund that are for lines of the invoice: see `_lines`."""
    numbers = {line.id: number for number, line in enumerate(order.lines, 1)}
    shipping = len(numbers) + 1
    for part in parts:
        if part.kind != "goodwill":
            yield CreditedPart(
                line=shipping if part.kind == "shipping" else numbers[str(part.order_item_id)],
                quantity=part.quantity,
                amount=part.amount,
                is_fee=part.kind == "fee",
            )


# Documents and deliveries


@unit_of_work()
def queue_document(*, invoice_id: str, credit_note_id: str | None = None) -> None:
    """Queue the PDF of a new invoice or credit note, and its mail if the buyer has an address."""
    if selectors.get_for_update(invoice_id).customer_email:
        send_invoice(invoice_id=invoice_id, credit_note_id=credit_note_id)
    of = {"invoice_id": invoice_id, "credit_note_id": credit_note_id}
    if not Document.objects.filter(**of).exists():
        Document.objects.create(due_at=timezone.now(), **of)


@unit_of_work()
def send_invoice(
    *, invoice_id: str, recipient_email: str | None = None, credit_note_id: str | None = None
) -> Invoice:
    """Queue a mail with the invoice, or with one of its credit notes.

    `recipient_email` defaults to the buyer's address. If a mail to the address is queued already,
    it is sent now. Raises AddressRequired, DocumentDeleted, UnknownCreditNote.
    """
    invoice, now = selectors.get_for_update(invoice_id), timezone.now()
    invoice.expect_kept()
    recipient = recipient_email or invoice.customer_email
    if recipient is None:
        raise AddressRequired("recipient_email is required: the order has no customer_email.")
    note = invoice.credit_note(credit_note_id) if credit_note_id else None
    of = (recipient, credit_note_id)
    same = (
        each for each in invoice.deliveries if (each.recipient_email, each.credit_note_id) == of
    )
    queued = next((each for each in same if not each.sent_at), None)
    if queued:
        # A worker leases the delivery without the lock of the order.
        queued.refresh_from_db(from_queryset=InvoiceDelivery.objects.select_for_update(no_key=True))
        if not queued.is_leased(now):
            queued.request_call(now)
            queued.save(update_fields=outbound.UPDATE_FIELDS)
    else:
        if note:
            invoice.send_credit_note(note=note, recipient_email=recipient, at=now)
        else:
            invoice.send(recipient_email=recipient, at=now)
        invoice.save()
    return invoice


@unit_of_work()
def revoke_links(*, invoice_id: str) -> Invoice:
    """Revoke all links to the PDFs of an invoice and its credit notes."""
    invoice = selectors.get_for_update(invoice_id)
    invoice.revoke_links()
    files.revoke_links(invoice)
    invoice.save()
    return invoice


def render_due_documents(*, now: datetime) -> int:
    """Render and store the PDFs that are due at `now`; return how many."""
    return _call_due(selectors.to_render, _render, now)


def send_due_mails(*, now: datetime) -> int:
    """Send the mails that are due at `now`; return how many."""
    return _call_due(selectors.to_mail, _send, now)


def _render(document: Document) -> None:
    path, sha256 = files.store(document)
    record_rendering(document_id=document.id, path=path, sha256=sha256, at=timezone.now())


def _send(delivery: InvoiceDelivery) -> None:
    pdf_url = mail.send(delivery)
    record_delivery(
        invoice_id=delivery.invoice_id,
        delivery_id=delivery.id,
        pdf_url=pdf_url,
        at=timezone.now(),
    )


def _call_due(
    select_due: Callable[[datetime], QuerySet[Row]], call: Callable[[Row], None], now: datetime
) -> int:
    def clock() -> datetime:  # a run may last longer than a lease
        return max(now, timezone.now())

    def attempt(row_id: str) -> outbound.Outcome:
        at = clock()
        row = _lease(select_due(at).filter(pk=row_id), at)
        if row is None:
            return "skipped"
        try:
            call(row)
        except mail.SERVER_ERRORS as error:
            logger.warning("The server of %s does not respond: %r", row_id, error)
            _record_failure(row, error, now=at)
            _postpone(select_due(at), error, now=at)
            return "no_response"
        except (OSError, NotPrintable) as error:
            logger.warning("%s will be retried: %r", row_id, error)
            _record_failure(row, error, now=at)
            return "failed"
        except Exception as error:
            _record_failure(row, error, now=at)
            raise
        return "done"

    organization = "invoice__organization_id"
    rows = outbound.in_turns(select_due(clock()).values_list("pk", organization), organization)
    return outbound.call_due(rows, attempt, limit=outbound.SCAN_LIMIT, time_slice=TIME_SLICE)


@unit_of_work()
def _lease(due: QuerySet[Row], now: datetime) -> Row | None:
    row = due.select_for_update(no_key=True, skip_locked=True, of=("self",)).first()
    if row:
        row.lease(now, LEASE)
        row.save(update_fields=outbound.UPDATE_FIELDS)
    return row


@unit_of_work()
def record_rendering(*, document_id: str, path: str, sha256: str, at: datetime) -> None:
    """Record that the PDF is stored."""
    document = Document.objects.select_for_update(no_key=True).get(pk=document_id)
    if document.rendered_at is None:
        document.path, document.sha256, document.rendered_at = path, sha256, at
        document.finish_call()
        document.save()


@unit_of_work()
def record_delivery(*, invoice_id: str, delivery_id: str, pdf_url: str, at: datetime) -> None:
    """Record that the mail server has accepted the mail."""
    invoice = selectors.get_for_update(invoice_id)
    delivery = next(each for each in invoice.deliveries if each.id == delivery_id)
    if delivery.sent_at is None:
        if delivery.credit_note_id:
            invoice.deliver_credit_note(delivery=delivery, at=at)
        else:
            invoice.deliver(delivery=delivery, pdf_url=pdf_url, at=at)
        invoice.save()


@unit_of_work()
def _record_failure(leased: Row, error: Exception, *, now: datetime) -> None:
    """Schedule the next attempt, unless the mail server cannot send the mail.

    It cannot if it does not know such addresses, or has refused the mail for three days.
    """
    row = type(leased)._default_manager.select_for_update(no_key=True).get(pk=leased.pk)
    if not (leased.leased_until and row.release(leased.leased_until)):
        return
    # An error of the server concerns every mail, though smtplib derives some from refusals.
    is_refusal = isinstance(error, mail.REFUSALS) and not isinstance(error, mail.SERVER_ERRORS)
    if isinstance(error, AddressNotSupported):
        row.finish_call(str(error))
    elif is_refusal and row.calls >= MAX_REFUSALS:
        row.finish_call(repr(error))
    else:
        row.schedule_retry(now, str(error) if isinstance(error, NotPrintable) else repr(error))
    row.save(update_fields=outbound.UPDATE_FIELDS)


@unit_of_work()
def _postpone(due: QuerySet[Row], error: Exception, *, now: datetime) -> None:
    """Postpone everything that is due, because the server does not respond."""
    # Skipping locked rows avoids a deadlock between two workers that postpone.
    free = due.select_related(None).select_for_update(no_key=True, skip_locked=True)
    rows = due.model._default_manager.filter(pk__in=free.values("pk"))
    rows.update(due_at=now + SERVER_PAUSE, last_error=repr(error)[:500])


# Retention


def anonymize_old_invoices(*, now: datetime) -> int:
    """Delete buyer and PDFs of invoices after INVOICE_RETENTION_YEARS; return how many."""
    due = list(selectors.to_anonymize(now).values_list("pk", flat=True)[:BATCH_SIZE])
    return sum(_anonymize(invoice_id, now) for invoice_id in due)


@unit_of_work()
def _anonymize(invoice_id: str, now: datetime) -> bool:
    invoice = selectors.get_for_update(invoice_id)
    if not invoice.is_kept() or invoice.is_required(now):
        return False
    for document in invoice.documents.select_for_update(no_key=True):
        files.delete(document)
        document.path, document.sha256, document.rendered_at = "", "", None
        document.finish_call()
        document.save()
    invoice.anonymize(at=now)
    invoice.save()
    return True
