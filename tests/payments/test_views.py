"""The REST API of payments."""

from decimal import Decimal

import pytest

from config.core.unit_of_work import unit_of_work
from payments import selectors
from payments.gateways import RefundResult
from payments.gateways.sandbox import Sandbox
from payments.models import Payment
from payments.services import capture, gateway, refunds
from payments.services.gateway_results import apply_refund_result
from tests.factories import (
    LineFactory,
    OrderFactory,
    PaymentFactory,
    cancel,
    invoice_of,
    refund,
    start_payment,
)
from tests.log import event_names, latest_number
from tests.parallel import at_once

pytestmark = pytest.mark.django_db


def post(api, path, body=None, key="key"):
    return api.post(f"/api/v1/payments{path}", body or {}, headers={"Idempotency-Key": key})


def pay(api, order, token="tok_ok", method="sandbox", key="key"):
    body = {"order_id": order.id, "payment_method": method, "gateway_token": token}
    return post(api, "", body, key)


def test_the_response_contains_the_gateways_result(api):
    response = pay(api, OrderFactory())
    assert response.status_code == 201
    paid = response.json()
    shown = ("status", "amount", "captured", "card_brand", "card_last4", "allowed_actions")
    assert [paid[name] for name in shown] == [
        "succeeded",
        "50.00",
        "50.00",
        "visa",
        "4242",
        ["refund"],
    ]
    assert api.get(f"/api/v1/payments/{paid['id']}").json() == paid


def test_the_response_contains_the_refund_if_the_order_is_cancelled_during_the_call(
    api, monkeypatch
):
    order, attempt = OrderFactory(), Sandbox.attempt

    def cancel_first(sandbox, request):
        cancel(order)
        return attempt(sandbox, request)

    monkeypatch.setattr(Sandbox, "attempt", cancel_first)
    paid = pay(api, order).json()
    assert (paid["refunding"], paid["allowed_actions"]) == ("50.00", [])
    assert api.get(f"/api/v1/payments/{paid['id']}").json() == paid


def test_a_decline_is_a_response_and_can_be_retried(api):
    declined = pay(api, OrderFactory(), "tok_declined").json()
    assert (declined["status"], declined["retries_remaining"]) == ("failed", 2)
    assert declined["attempts"][0]["error_message"] == "Your card was declined"
    assert declined["allowed_actions"] == ["retry"]
    response = post(api, f"/{declined['id']}/retry", {"gateway_token": "tok_ok"})
    assert (response.status_code, response.json()["status"]) == (200, "succeeded")


def test_a_gateway_timeout_leaves_the_payment_opening(api):
    response = pay(api, OrderFactory(), "tok_timeout")
    assert (response.status_code, response.json()["status"]) == (201, "opening")


def test_a_repeated_request_returns_the_payment_as_it_is_now(api):
    order = OrderFactory()
    first = pay(api, order, "tok_timeout")
    gateway.call_due_gateways(now=Payment.objects.get().due_at)
    before = latest_number()
    again = pay(api, order, "tok_timeout")
    assert again.json()["id"] == first.json()["id"]
    assert (again.json()["status"], again.headers["Idempotent-Replayed"]) == ("succeeded", "true")
    assert event_names(order, after=before) == []


def test_the_call_of_a_killed_request_is_made_once_its_lease_has_expired(api, monkeypatch):
    """The process is killed between its commit and the gateway."""
    order, killed = OrderFactory(), SystemExit("killed")

    def kill(lease):
        raise killed

    with monkeypatch.context() as patch:
        patch.setattr(gateway, "make_calls", kill)
        with pytest.raises(SystemExit):
            pay(api, order)
    assert pay(api, order).json()["status"] == "opening"
    gateway.call_due_gateways(now=Payment.objects.get().due_at)
    assert pay(api, order).json()["status"] == "succeeded"
    assert Payment.objects.count() == 1


def test_a_key_with_a_different_body_is_refused(api):
    order = OrderFactory()
    pay(api, order)
    response = pay(api, order, "tok_declined")
    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("path", ["", "/{id}/refunds", "/{id}/retry"])
def test_a_key_is_required_where_money_moves(api, path):
    payment = PaymentFactory()
    response = api.post(f"/api/v1/payments{path.format(id=payment.id)}", {})
    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_required")


def test_the_response_of_a_refund_contains_the_gateways_result(api):
    payment = PaymentFactory()
    response = post(api, f"/{payment.id}/refunds", {"amount": "12.50", "reason": "operator"})
    assert response.status_code == 201
    given = response.json()
    assert (given["status"], given["amount"], given["payment_id"]) == (
        "succeeded",
        "12.50",
        payment.id,
    )
    shown = api.get(f"/api/v1/payments/{payment.id}").json()
    assert shown["refunds"] == [given]
    assert (shown["refunded"], shown["max_refundable"]) == ("12.50", "37.50")


def test_a_refund_that_is_too_large_returns_the_refundable_amount(api):
    payment = PaymentFactory()
    refund(payment, "45")
    response = post(api, f"/{payment.id}/refunds", {"amount": "5.01", "reason": "operator"})
    assert (response.status_code, response.json()["code"]) == (422, "refund_too_large")
    assert response.json()["max_refundable"] == "5.00"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"amount": "0", "reason": "operator"}, "amount"),
        ({"amount": "-1", "reason": "operator"}, "amount"),
        ({"amount": "1e1", "reason": "operator"}, "amount"),
        ({"amount": "1", "reason": "because"}, "reason"),
        ({"amount": "1"}, "reason"),
        ({"reason": "operator"}, ""),
        ({"items": [{"order_item_id": "item_1", "quantity": 0}], "reason": "other"}, "amount"),
        ({"items": [{"order_item_id": "item_1", "quantity": -1}], "reason": "other"}, "quantity"),
        ({"shipping": "0", "reason": "other"}, "shipping"),
    ],
)
def test_an_invalid_refund_is_refused(api, body, field):
    response = post(api, f"/{PaymentFactory().id}/refunds", body)
    assert response.status_code == 400
    [place] = response.json()["errors"]
    assert place.endswith(field)


SHOP = {
    "items": [
        LineFactory(unit_price=Decimal(10), quantity=1, tax_rate=Decimal("0.07")),
        LineFactory(unit_price=Decimal(100), quantity=1, tax_rate=Decimal("0.19")),
    ],
    "shipping": {"cost": Decimal(5), "tax_rate": Decimal("0.19")},
}


def refund_order(api, order, body, key="key"):
    path = f"/api/v1/orders/{order.id}/refunds"
    return api.post(path, {"reason": "operator", **body}, headers={"Idempotency-Key": key})


def of_line(order, number, quantity=1, **given):
    return {"items": [{"order_item_id": order.lines[number].id, "quantity": quantity, **given}]}


def test_a_refund_of_a_line_is_credited_at_its_own_rate(api, run_reactions):
    order = OrderFactory(status="confirmed", **SHOP)
    [payment] = selectors.of_order(order.id)
    run_reactions()
    response = post(api, f"/{payment.id}/refunds", of_line(order, 0) | {"reason": "operator"})
    assert response.status_code == 201, response.json()
    assert (response.json()["amount"], response.json()["parts"]) == (
        "10.70",
        [
            {
                "kind": "item",
                "order_item_id": order.lines[0].id,
                "quantity": 1,
                "amount": "10.70",
            }
        ],
    )
    run_reactions()
    [note] = invoice_of(order).credit_notes
    assert note.rates == [{"tax_rate": "0.07", "net": "10.00", "tax": "0.70", "total": "10.70"}]


def test_an_order_is_refunded_by_line_from_its_latest_payment(api, run_reactions):
    order = OrderFactory(**SHOP)
    first = start_payment(order, token="tok_wrong_amount")  # one cent too much
    capture.apply_payment(payment_id=first.id)
    run_reactions()
    body = of_line(order, 0, amount="10.00") | {"shipping": "5.95", "amount": "15.95"}
    response = refund_order(api, order, body)
    assert response.status_code == 201, response.json()
    (refund,) = response.json()["refunds"]
    assert (refund["payment_id"], refund["amount"], refund["status"]) == (
        first.id,
        "15.95",
        "pending",
    )
    kinds = [(part["kind"], part["amount"]) for part in refund["parts"]]
    assert kinds == [("fee", "-0.70"), ("item", "10.70"), ("shipping", "5.95")]
    assert refund_order(api, order, body).json() == response.json(), "the same key"
    again = refund_order(api, order, body, "other")
    assert (again.status_code, again.json()["code"]) == (422, "too_many_units")


def test_a_refund_of_an_order_is_refused_with_what_is_left(api):
    order = OrderFactory(status="confirmed")
    [payment] = selectors.of_order(order.id)
    refund(payment, "45")
    response = refund_order(api, order, of_line(order, 0))
    assert (response.status_code, response.json()["code"]) == (422, "refund_too_large")
    assert response.json()["max_refundable"] == "5.00"


def test_an_order_that_is_not_confirmed_is_cancelled_and_not_refunded(api):
    order = OrderFactory(status="paid")
    response = refund_order(api, order, {"amount": "1"})
    assert (response.status_code, response.json()["code"]) == (409, "order_not_confirmed")


def test_a_payment_that_does_not_pay_the_order_is_refunded_by_amount_only(api, run_reactions):
    order = OrderFactory()
    other = start_payment(order, token="tok_wrong_amount")
    body = {"reason": "operator"}
    refused = post(api, f"/{other.id}/refunds", of_line(order, 0) | body)
    assert (refused.status_code, refused.json()["code"]) == (409, "payment_does_not_apply")
    assert post(api, f"/{other.id}/refunds", {"amount": "50.01"} | body).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_of_concurrent_refunds_of_one_unit_one_succeeds(caller):
    order = OrderFactory(status="confirmed", items=[LineFactory(quantity=1), LineFactory()])
    [payment] = selectors.of_order(order.id)
    body = of_line(order, 0) | {"reason": "operator"}

    def request_refund(n):
        if n % 2:
            return refund_order(caller(), order, body, f"key-{n}").status_code
        path = f"/api/v1/payments/{payment.id}/refunds"
        return caller().post(path, body, headers={"Idempotency-Key": f"key-{n}"}).status_code

    assert sorted(at_once(6, request_refund)) == [201, *[422] * 5]
    payment = selectors.get(payment.id)
    assert payment.refunded + payment.refunding == 25


def test_a_manual_payment_is_captured(api, run_reactions):
    payment = start_payment(OrderFactory(), method="manual")
    response = api.post(f"/api/v1/payments/{payment.id}/capture", {"card_last4": "4321"})
    assert (response.status_code, response.json()["status"]) == (200, "succeeded")
    assert response.json()["card_last4"] == "4321"


def test_a_full_card_number_is_refused_in_a_capture(api):
    payment = start_payment(OrderFactory(), method="manual")
    response = api.post(
        f"/api/v1/payments/{payment.id}/capture", {"card_last4": "4242424242424242"}
    )
    assert response.status_code == 400
    assert "only the last four digits" in response.json()["errors"]["card_last4"][0]


def test_a_gateway_payment_is_not_captured_by_hand(api):
    response = api.post(f"/api/v1/payments/{PaymentFactory(status='pending').id}/capture", {})
    assert (response.status_code, response.json()["allowed_actions"]) == (409, [])


def test_a_manual_payment_has_no_token(api):
    response = pay(api, OrderFactory(), "tok_ok", "manual")
    assert response.json()["errors"] == {
        "gateway_token": ["A manual payment has no token: leave it out."]
    }


def test_a_card_number_is_refused_as_a_token(api):
    response = pay(api, OrderFactory(), "4242 4242 4242 4242")
    assert response.status_code == 400
    assert "a card number" in response.json()["errors"]["gateway_token"][0]


def test_an_order_of_another_organization_cannot_be_paid(api):
    response = pay(api, OrderFactory(organization_id="org_2"))
    assert (response.status_code, list(response.json()["errors"])) == (400, ["order_id"])


def test_the_client_secret_is_returned_while_the_customer_can_pay(api):
    payment = PaymentFactory(status="pending")
    payment.client_secret = "secret_1"
    payment.save()

    def shown():
        return api.get(f"/api/v1/payments/{payment.id}").json()["client_secret"]

    assert shown() == "secret_1"
    assert api.get("/api/v1/payments").json()["results"][0]["client_secret"] is None
    refunds.refund_cancelled_order(order_id=payment.order_id)
    assert shown() is None


def test_payments_are_filtered(api):
    paid, waiting = PaymentFactory(), PaymentFactory(status="pending")
    opening, by_hand = (
        PaymentFactory(status="opening"),
        start_payment(OrderFactory(), method="manual"),
    )

    def ids(**query):
        return [row["id"] for row in api.get("/api/v1/payments", query).json()["results"]]

    assert ids() == [by_hand.id, opening.id, waiting.id, paid.id]
    assert ids(order=paid.order_id) == ids(status="succeeded") == [paid.id]
    assert ids(gateway_payment=paid.gateway_payment_id) == [paid.id]
    assert ids(payment_method="manual") == [by_hand.id]
    assert ids(outcome_open="true") == [opening.id]
    assert ids(outcome_open="false") == [by_hand.id, waiting.id, paid.id]


def manual_refund(payment, amount="10"):
    return refunds.request_refund(
        payment_id=payment.id, amount=Decimal(amount), reason="operator", method="store_credit"
    )


@pytest.mark.parametrize(("amount", "status"), [("10", "succeeded"), ("50", "refunded")])
def test_a_refund_that_was_paid_out_by_hand_is_recorded(api, amount, status):
    payment = PaymentFactory()
    pending = manual_refund(payment, amount)
    shown = api.get(f"/api/v1/payments/{payment.id}").json()
    assert {"record-refund", "withdraw-refund"} <= set(shown["allowed_actions"])
    for _ in range(2):
        done = api.post(f"/api/v1/payments/{payment.id}/record-refund", {"refund_id": pending.id})
        assert (done.status_code, done.json()["status"]) == (200, status)
    assert [refund["status"] for refund in done.json()["refunds"]] == ["succeeded"]
    assert "record-refund" not in done.json()["allowed_actions"]
    assert event_names(payment.order).count("refund.succeeded") == 1


def test_the_amount_of_a_withdrawn_refund_can_be_refunded_again(api):
    payment = PaymentFactory()
    pending = manual_refund(payment)
    url, body = f"/api/v1/payments/{payment.id}/withdraw-refund", {"refund_id": pending.id}
    withdrawn = api.post(url, body).json()
    assert (withdrawn["max_refundable"], withdrawn["refunding"]) == ("50.00", "0.00")
    assert withdrawn["refunds"][0]["error_code"] == "withdrawn"
    assert withdrawn["allowed_actions"] == ["refund"]


@pytest.mark.parametrize("verb", ["record-refund", "withdraw-refund"])
def test_a_refund_of_the_gateway_is_neither_recorded_nor_withdrawn(api, verb):
    payment = PaymentFactory()
    pending = refunds.request_refund(payment_id=payment.id, amount=Decimal(1), reason="operator")
    url = f"/api/v1/payments/{payment.id}/{verb}"
    refused = api.post(url, {"refund_id": pending.id})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_by_hand")
    assert api.post(url, {"refund_id": "ref_1"}).status_code == 404
    assert verb not in api.get(f"/api/v1/payments/{payment.id}").json()["allowed_actions"]


def test_a_refund_that_came_back_is_recorded_but_not_withdrawn(api):
    payment = PaymentFactory()
    refund(payment, "10")
    with unit_of_work():
        row = selectors.get_for_update(payment.id)
        bounced = RefundResult(state="failed", error_code="expired_card", error_message="Expired.")
        apply_refund_result(row, row.refunds[0], bounced, now=row.paid_at)
        row.save()
    body = {"refund_id": row.refunds[0].id}
    refused = api.post(f"/api/v1/payments/{payment.id}/withdraw-refund", body)
    assert (refused.status_code, refused.json()["code"]) == (409, "paid_out_once")
    recorded = api.post(f"/api/v1/payments/{payment.id}/record-refund", body).json()
    assert recorded["refunded"] == "10.00"
