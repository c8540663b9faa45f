"""An invoice to a wrong buyer is cancelled by a credit note, and issued anew."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from events.aggregate import InvalidTransition
from invoices import documents, einvoices, services
from invoices.exceptions import DocumentDeleted
from invoices.models import CreditNote, Document, Invoice, Seller
from invoices.tasks import anonymize_old_invoices
from payments import selectors as payment_selectors
from payments.services import capture, gateway, refunds
from tests.documents import text_of
from tests.factories import (
    InvoiceFactory,
    LineFactory,
    OrderFactory,
    buy_on_account,
    credit,
    deliver_documents,
    invoice_of,
    pay,
    refund,
    start_payment,
    write_off,
)
from tests.invoices.test_einvoices import SELLER, broken_rules
from tests.log import event_data, event_names
from tests.parallel import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

RIGHT = {
    "name": "Ana Torres",
    "company": "Torres GmbH",
    "tax_id": "DE811907980",
    "line1": "Hauptstraße 2",
    "city": "Berlin",
    "country": "DE",
}
MAIL = "accounts@example.com"
TWO_RATES = [
    LineFactory(title="Book", quantity=3, unit_price=Decimal("9.99"), tax_rate=Decimal("0.07")),
    LineFactory(title="Radio", quantity=1, unit_price=Decimal(100), tax_rate=Decimal("0.19")),
    LineFactory(title="Sticker", quantity=1, unit_price=Decimal(0)),
]


def reissue(invoice, buyer=RIGHT, customer_email=MAIL):
    return services.reissue_invoice(
        invoice_id=invoice.id, buyer=buyer, customer_email=customer_email
    )


def stored(invoice):
    return Invoice.objects.get(pk=invoice.pk)


def left_at_each_rate(invoice):
    left = {row["tax_rate"]: [Decimal(row["net"]), Decimal(row["tax"])] for row in invoice.rates}
    for note in invoice.credit_notes:
        for row in note.rates:
            left[row["tax_rate"]][0] -= Decimal(row["net"])
            left[row["tax_rate"]][1] -= Decimal(row["tax"])
    return left


def test_the_new_invoice_has_the_right_buyer_and_the_same_lines(api):
    wrong = InvoiceFactory(items=TWO_RATES)
    body = {"buyer": RIGHT | {"region": ""}, "customer_email": MAIL}
    response = api.post(f"/api/v1/invoices/{wrong.id}/reissue", body)
    shown = response.json()
    assert response.status_code == 201
    assert (shown["buyer"], shown["customer_email"]) == (RIGHT, MAIL)
    assert (shown["replaces"], shown["replaced_by"]) == (wrong.id, None)
    assert shown["number"] == f"INV-{timezone.now():%Y}-0002"
    old = api.get(f"/api/v1/invoices/{wrong.id}").json()
    assert (old["replaces"], old["replaced_by"]) == (None, shown["id"])
    assert old["buyer"]["name"] == "Juan Pérez"
    assert old["allowed_actions"] == ["send", "revoke-links"]
    for name in ("lines", "rates", "subtotal", "discount", "tax", "total", "order_id"):
        assert shown[name] == old[name]
    [note] = old["credit_notes"]
    assert (note["refund_id"], note["reason"], note["total"]) == (
        None,
        "invoice_replaced",
        old["total"],
    )
    assert note["rates"] == old["rates"]
    assert [(line["line"], line["quantity"]) for line in note["lines"]] == [(1, 3), (2, 1), (3, 1)]
    assert shown["credit_notes"] == []


def test_the_chain_may_be_longer_and_only_its_end_is_current():
    first = InvoiceFactory()
    second = reissue(first)
    third = reissue(second, buyer={**RIGHT, "name": "Zoë"})
    assert invoice_of(first.order).id == third.id
    assert [stored(each).replaced_by_id for each in (first, second, third)] == [
        second.id,
        third.id,
        None,
    ]
    other = stored(third)
    other.pk, other.number, other.replaces = "inv_other", "INV-X", None
    with pytest.raises(IntegrityError), transaction.atomic():
        other.save_base(force_insert=True)


def test_a_repeated_request_has_one_effect(api):
    invoice = InvoiceFactory()
    url, body = f"/api/v1/invoices/{invoice.id}/reissue", {"buyer": RIGHT, "customer_email": MAIL}
    first, second = api.post(url, body).json(), api.post(url, body).json()
    assert first["id"] == second["id"]
    other = api.post(url, {"buyer": RIGHT | {"name": "Zoë"}})
    assert (other.status_code, other.json()["code"]) == (409, "invalid_transition")
    assert "no other invoice has replaced it" in other.json()["detail"]
    assert (Invoice.objects.count(), CreditNote.objects.count()) == (2, 1)


@pytest.mark.django_db(transaction=True)
def test_two_requests_at_once_have_one_effect(run_reactions):
    invoice = InvoiceFactory()
    issued = at_once(6, lambda n: reissue(invoice).id)
    assert len(set(issued)) == 1
    assert (Invoice.objects.count(), CreditNote.objects.count()) == (2, 1)


@pytest.mark.django_db(transaction=True)
def test_different_buyers_at_once_get_one_invoice_and_the_others_a_refusal():
    invoice = InvoiceFactory()

    def work(n):
        try:
            return reissue(invoice, buyer={**RIGHT, "name": f"Buyer {n}"}).id
        except InvalidTransition:
            return None

    issued = at_once(6, work)
    assert len([each for each in issued if each]) == 1
    assert Invoice.objects.filter(replaced_by=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_reissue_and_refunds_at_once_leave_what_is_kept(run_reactions):
    order = OrderFactory(status="confirmed", items=TWO_RATES)
    run_reactions()
    invoice, [payment] = invoice_of(order), payment_selectors.of_order(order.id)

    def work(n):
        if n == 0:
            reissue(invoice)
        else:
            refund(payment, n)
            run_reactions()

    at_once(4, work)
    run_reactions()
    current = invoice_of(order)
    assert current.id != invoice.id
    assert current.creditable_amount == order.total - 6
    assert Invoice.objects.get(pk=invoice.pk).creditable_amount == 0


def test_an_anonymized_invoice_is_not_reissued():
    invoice = InvoiceFactory()
    anonymize_old_invoices(f"{timezone.now().year + 11}-01-01T00:00:00Z")
    with pytest.raises(DocumentDeleted):
        reissue(invoice)
    assert "reissue" not in stored(invoice).allowed_actions()


def test_an_invoice_that_is_credited_in_full_is_not_reissued():
    invoice = credit(InvoiceFactory(), "50.00")
    with pytest.raises(InvalidTransition, match="its credit notes leave something of it"):
        reissue(invoice)
    assert Invoice.objects.count() == 1


def test_the_invoice_of_a_free_order_is_cancelled_by_a_credit_note_of_nothing(run_reactions):
    order = OrderFactory(items=[LineFactory(unit_price=Decimal(0))])
    run_reactions()
    wrong = invoice_of(order)
    right = reissue(wrong)
    [note] = stored(wrong).credit_notes
    assert (note.total, note.lines[0]["quantity"], right.total) == (0, 2, 0)


def test_another_organization_cannot_reissue(caller):
    invoice = InvoiceFactory()
    url = f"/api/v1/invoices/{invoice.id}/reissue"
    assert caller(organization="org_2").post(url, {"buyer": RIGHT}).status_code == 404
    sender = caller(scope="invoices:read invoices:send")
    assert sender.post(url, {"buyer": RIGHT}).status_code == 403


@pytest.mark.parametrize("tax_inclusive", [False, True])
@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
def test_earlier_refunds_are_credited_to_the_new_invoice(run_reactions, tax_inclusive, currency):
    """Whatever was refunded before and after, each rate has what was captured and kept."""
    unit = {"EUR": Decimal("0.01"), "JPY": Decimal(1), "KWD": Decimal("0.001")}[currency]
    items = [
        LineFactory(quantity=3, unit_price=333 * unit, tax_rate=Decimal("0.07")),
        LineFactory(quantity=1, unit_price=10000 * unit, tax_rate=Decimal("0.19")),
    ]
    shipping = {"cost": 500 * unit, "tax_rate": Decimal("0.19")}
    given = {"items": items, "shipping": shipping, "currency": currency}
    given["tax_inclusive"] = tax_inclusive
    order, twin = (OrderFactory(status="confirmed", **given) for _ in range(2))
    run_reactions()
    steps = [
        lambda of: {"items": [{"order_item_id": of.lines[0].id, "quantity": 2, "amount": None}]},
        lambda of: {"goodwill": 777 * unit},
        lambda of: {"shipping": 100 * unit},
        lambda of: {"items": [{"order_item_id": of.lines[0].id, "quantity": 1, "amount": None}]},
    ]
    for number, step in enumerate(steps):
        for each in (order, twin):
            refunds.request_order_refund(order_id=each.id, reason="operator", **step(each))
        pay_out(order, twin)
        run_reactions()
        if number == 1:
            before = invoice_of(order)
            reissue(before)
            run_reactions()
        current, untouched = invoice_of(order), invoice_of(twin)
        [payment] = payment_selectors.of_order(order.id)
        assert current.creditable_amount == payment.captured - payment.refunded
        assert left_at_each_rate(current) == left_at_each_rate(untouched)
    old = Invoice.objects.get(pk=before.pk)
    assert {amount for each in left_at_each_rate(old).values() for amount in each} == {0}
    refunded = {each.id for each in payment.refunds}
    assert {note.refund_id for note in current.credit_notes} == refunded


def pay_out(*orders):
    for order in orders:
        for payment in payment_selectors.of_order(order.id):
            gateway.call_gateway(payment_id=payment.id)


def test_the_new_invoice_of_an_order_on_account_says_what_is_still_due(run_reactions):
    order = buy_on_account(items=[LineFactory(quantity=4)])  # of 100.00
    run_reactions()
    first = invoice_of(order)
    write_off(order, 0, 1)
    run_reactions()
    payment = start_payment(order, method="manual")
    capture.capture_payment(payment_id=payment.id, amount=Decimal(40))
    run_reactions()
    second = reissue(first)
    run_reactions()
    assert (second.payment_terms, second.due, second.due_on) == ("invoice", 60, first.due_on)
    assert stored(second).creditable_amount == 75  # 40 of it are paid
    rest = start_payment(order, method="manual")
    capture.capture_payment(payment_id=rest.id)
    run_reactions()
    third = reissue(second, buyer={**RIGHT, "name": "Zoë"})
    assert stored(third).creditable_amount == 75
    cancelled = stored(first), stored(second)
    assert [each.creditable_amount for each in cancelled] == [0, 0]


def test_the_new_invoice_of_an_order_that_was_paid_since_is_paid(run_reactions):
    order = buy_on_account()
    run_reactions()
    first = invoice_of(order)
    payment = start_payment(order, method="manual")
    capture.capture_payment(payment_id=payment.id)
    run_reactions()
    second = reissue(first)
    assert (first.due, second.payment_terms, second.due, second.due_on) == (50, "paid", 0, None)


def test_what_consumers_and_the_timeline_see(run_reactions):
    order = OrderFactory()
    pay(order)
    run_reactions()
    first = invoice_of(order)
    second = reissue(first)
    names = [name for name in event_names(order) if name.startswith(("invoice", "credit_note"))]
    assert names == [
        "invoice.created",
        "credit_note.issued",
        "invoice.replaced",
        "invoice.created",
    ]
    created = event_data(order, "invoice.created")
    assert (created["invoice_id"], created["total_amount"]) == (second.id, "50.00")
    replaced = event_data(order, "invoice.replaced")
    assert (replaced["invoice_id"], replaced["replaced_by"]) == (first.id, second.id)
    assert event_data(order, "credit_note.issued")["refund_id"] is None


def test_each_document_is_mailed_to_its_buyer(run_reactions, mailbox):
    wrong = InvoiceFactory()
    deliver_documents()
    right = reissue(wrong)
    run_reactions()
    deliver_documents()
    sent = [(mail["To"], mail["Subject"]) for mail in mailbox.mails]
    [note] = stored(wrong).credit_notes
    assert sent == [
        ("juan@example.com", f"Invoice {wrong.number}"),
        ("juan@example.com", f"Credit note {note.number}"),
        (MAIL, f"Invoice {right.number}"),
    ]


def test_the_pdfs_name_each_other(run_reactions):
    wrong = InvoiceFactory(locale="es")
    right = reissue(wrong)
    run_reactions()
    deliver_documents()
    day = timezone.now()
    [note] = stored(wrong).credit_notes
    (new,) = text_of(documents.render(Document.objects.get(invoice=right)))
    (cancelling,) = text_of(documents.render(Document.objects.get(credit_note=note)))
    (old,) = text_of(documents.render(Document.objects.get(invoice=wrong, credit_note=None)))
    assert f"Sustituye a la factura {wrong.number} ({day.day} " in new
    assert "Torres GmbH" in new
    assert f"Sustituida por la factura {right.number}" in cancelling
    assert "Factura anulada y emitida de nuevo" in cancelling
    assert right.number not in old


def test_the_electronic_invoices_are_valid_and_refer_to_each_other(run_reactions):
    Seller.objects.create(organization_id="org_1", **SELLER)
    wrong = credit(InvoiceFactory(items=TWO_RATES[:2]), "30.00")
    right = reissue(wrong)
    run_reactions()
    right, wrong = invoice_of(right.order), stored(wrong)
    for invoice, note, preceding in [
        (right, None, wrong),
        (right, right.credit_notes[0], right),
        (wrong, wrong.credit_notes[1], wrong),
    ]:
        xml = einvoices.xml(invoice, note)
        assert broken_rules(xml) == []
        assert f"<ram:IssuerAssignedID>{preceding.number}</ram:IssuerAssignedID>" in xml


def test_an_operator_reissues_with_a_form(operator):
    invoice, client = InvoiceFactory(), operator()
    page = reverse("admin:invoices_invoice_change", args=[invoice.id])
    url = reverse("admin:invoices_invoice_command", args=[invoice.id, "reissue"])
    form = client.get(url).content.decode()
    assert 'value="Juan Pérez"' in form  # the wrong buyer, to be corrected
    sent = {f"buyer.{name}": value for name, value in RIGHT.items()} | {"customer_email": MAIL}
    wrong = client.post(url, sent | {"buyer.country": "Germany"})
    assert "is not a country code of ISO 3166" in wrong.content.decode()
    assert client.post(url, sent).status_code == 302
    issued = Invoice.objects.get(replaced_by=None)
    assert (issued.buyer, issued.customer_email) == (RIGHT, MAIL)
    assert issued.number in client.get(page).content.decode()
    new_page = reverse("admin:invoices_invoice_change", args=[issued.id])
    assert invoice.number in client.get(new_page).content.decode()
