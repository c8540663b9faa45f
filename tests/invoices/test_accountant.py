"""Orders with the documents that an accountant expects of them, as data in `accountant/`.

The totals were computed by hand. Each file has the request that opens the order, what happens to it
in `steps`, and each invoice and credit note with its sums by tax. A line with `times` stands for as
many lines.
"""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from invoices.models import Invoice
from invoices.models.lines import RATE_AMOUNTS
from orders import selectors
from orders.models import Policy
from payments import selectors as payment_selectors
from payments.models import PaymentAccount
from payments.services import gateway
from tests.factories import ADDRESS, cancel, confirm, start_payment, write_off

pytestmark = pytest.mark.django_db

DOCUMENTS = {
    path.stem: json.loads(path.read_text())
    for path in Path(__file__).parent.glob("accountant/*.json")
}
KEYS = ("name", "tax_rate", "exemption", "note", "net", "tax")


def order_of(api, body):
    """Open and place an order."""
    items = [
        {key: value for key, value in item.items() if key != "times"}
        for item in body["items"]
        for _ in range(item.get("times", 1))
    ]
    made = api.post("/api/v1/orders", {"shipping_address": ADDRESS, **body, "items": items}).json()
    assert api.post(f"/api/v1/orders/{made['id']}/place", {}).status_code == 200
    return selectors.get(made["id"])


def pay(api, order):
    confirm(order)


def refund(api, order, items=(), **given):
    lines = [line.id for line in order.lines]
    items = [{**item, "order_item_id": lines[item["line"] - 1]} for item in items]
    for item in items:
        item.pop("line")
    body = {**given, "reason": "operator", **({"items": items} if items else {})}
    key = {"Idempotency-Key": str(len(payment_selectors.of_order(order.id)[0].refunds))}
    response = api.post(f"/api/v1/orders/{order.id}/refunds", body, headers=key)
    assert response.status_code < 300, response.json()


def deposit(api, order, amount):
    body = {"order_id": order.id, "amount": amount, "provider": "bank", "reference": amount}
    assert api.post("/api/v1/payments/external", body).status_code == 201


def transfer(api, order, amount):
    payment = start_payment(order, method="manual")
    response = api.post(f"/api/v1/payments/{payment.id}/capture", {"amount": amount})
    assert response.status_code == 200


def authorize(api, order):
    start_payment(order, token="tok_ok", captures_later=True)


def capture(api, order):
    for payment in payment_selectors.of_order(order.id):
        if payment.status == "authorized":
            assert api.post(f"/api/v1/payments/{payment.id}/capture", {}).status_code == 200


def reissue(api, order, buyer):
    invoice = Invoice.objects.get(order=order, replaced_by=None)
    assert api.post(f"/api/v1/invoices/{invoice.id}/reissue", {"buyer": buyer}).status_code == 201


STEPS = {
    "pay": pay,
    "deposit": deposit,
    "transfer": transfer,
    "authorize": authorize,
    "capture": capture,
    "refund": refund,
    "write_off": lambda api, order, line, quantity: write_off(order, line - 1, quantity),
    "reissue": reissue,
    "cancel": lambda api, order: cancel(order),
}


def sums(document):
    """Return the sums by tax of a document, and its total."""
    rows = [tuple(row.get(key) for key in KEYS) for row in document["rates"]]
    return sorted(rows, key=str), document["total"]


def stored(document):
    """Return the same of a row, whose lines sum to it."""
    for name in RATE_AMOUNTS:
        whole = document.total - document.tax if name == "net" else getattr(document, name)
        assert sum(Decimal(line[name]) for line in document.lines) == whole
    decimals = -Decimal(document.rates[0]["net"]).as_tuple().exponent
    return sums({"rates": document.rates, "total": f"{document.total:.{decimals}f}"})


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_the_documents_are_those_of_an_accountant(api, run_reactions, name):
    expected = DOCUMENTS[name]
    Policy.objects.create(organization_id="org_1", **expected.get("policy", {}))
    PaymentAccount.objects.create(organization_id="org_1", **expected.get("payments", {}))
    order = order_of(api, expected["order"])
    for step in expected["steps"]:
        given = {key: value for key, value in step.items() if key != "step"}
        STEPS[step["step"]](api, selectors.get(order.id), **given)
        run_reactions()
        for payment in payment_selectors.of_order(order.id):
            gateway.call_gateway(payment_id=payment.id)
        run_reactions()
    invoices = list(Invoice.objects.filter(order=order).order_by("number"))
    notes = [note for invoice in invoices for note in invoice.credit_notes]
    assert list(map(stored, invoices)) == list(map(sums, expected["invoices"]))
    assert list(map(stored, notes)) == list(map(sums, expected["credit_notes"]))
