"""Several payments of an order: gift cards, parts, transfers that are short or too much."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from events.models import EventRecord
from orders.models import Order
from orders.services import lifecycle
from payments.models import Payment
from payments.services import capture, gateway, refunds
from tests.factories import OrderFactory, cancel, invoice_of, refund, start_payment
from tests.log import event_names
from tests.parallel import at_once
from tests.payments.flows import captured, report

pytestmark = pytest.mark.django_db

GIFT_CARD = {"amount": "30.00", "provider": "gift_card", "reference": "GC-1"}


def post_payment(api, order, **body):
    body = {"order_id": order.id, "payment_method": "sandbox", "gateway_token": "tok_ok", **body}
    key = f"key-{len(event_names(order))}"
    return api.post("/api/v1/payments", body, headers={"Idempotency-Key": key})


def give(api, order, **changes):
    return api.post("/api/v1/payments/external", {"order_id": order.id, **GIFT_CARD, **changes})


def show(api, order):
    return api.get(f"/api/v1/orders/{order.id}").json()


def amounts(order, name):
    """Return the amounts that consumers read in the events of a name."""
    bodies = EventRecord.objects.filter(stream=order.id, name=name).order_by("number")
    data = [
        json.loads(body, parse_float=str)["data"] for body in bodies.values_list("body", flat=True)
    ]
    return [each.get("amount") or each["refund_amount"] for each in data]


def transfer(order, received):
    payment = start_payment(order, method="manual")
    return capture.capture_payment(payment_id=payment.id, amount=Decimal(received))


class TestParts:
    def test_a_gift_card_and_a_card_pay_an_order(self, api, run_reactions):
        order = OrderFactory()
        first = give(api, order)
        assert (first.status_code, first.json()["status"]) == (201, "succeeded")
        shown = show(api, order)
        assert (shown["status"], shown["payment_status"]) == ("placed", "partially_paid")
        assert shown["amount_due"] == "20.00"
        second = post_payment(api, order)
        run_reactions()
        assert second.json()["amount"] == "20.00"
        shown = show(api, order)
        assert (shown["status"], shown["payment_status"]) == ("confirmed", "paid")
        assert (shown["payment_id"], shown["amount_due"]) == (second.json()["id"], "0.00")
        assert amounts(order, "payment.succeeded") == ["30.00", "20.00"]

    def test_an_external_capture_is_recorded_once(self, api):
        order, other = OrderFactory(), OrderFactory()
        first, again = give(api, order), give(api, order)
        assert first.json()["id"] == again.json()["id"]
        for elsewhere in (give(api, other), give(api, order, amount="10.00")):
            assert (elsewhere.status_code, elsewhere.json()["code"]) == (409, "reference_used")
        assert give(api, order, amount="10.00", provider="store_credit").status_code == 201

    def test_a_repeated_capture_of_another_amount_is_refused(self, api):
        payment = transfer(OrderFactory(), "20.00")
        for amount, status in (("20.00", 200), ("30.00", 409)):
            sent = api.post(f"/api/v1/payments/{payment.id}/capture", {"amount": amount})
            assert sent.status_code == status

    def test_whoever_may_only_start_payments_records_none(self, caller):
        order = OrderFactory()
        shopper = caller("payments:start")
        assert give(shopper, order).status_code == 403

    @pytest.mark.parametrize("amount", ["0", "-1.00", "1.001", None])
    def test_an_external_payment_has_an_exact_amount(self, api, amount):
        assert give(api, OrderFactory(), amount=amount).status_code in (400, 422)

    def test_no_more_than_the_total_is_charged(self, api):
        order = OrderFactory()
        assert post_payment(api, order, gateway_token=None, amount="40.00").status_code == 201
        for refused in (post_payment(api, order, amount="10.01"), give(api, order)):
            assert (refused.status_code, refused.json()["code"]) == (422, "payment_too_large")
            assert refused.json()["max_payable"] == "10.00"
        assert post_payment(api, order, amount="10.00").json()["status"] == "succeeded"

    def test_their_declines_count_together(self, api, run_reactions):
        order = OrderFactory()
        first = post_payment(api, order, amount="20.00", gateway_token="tok_declined").json()
        assert (first["status"], first["retries_remaining"]) == ("failed", 2)
        url = f"/api/v1/payments/{first['id']}/retry"
        retried = api.post(url, {"gateway_token": "tok_ok"}, headers={"Idempotency-Key": "again"})
        assert retried.json()["status"] == "succeeded"
        run_reactions()
        second = post_payment(api, order, gateway_token="tok_declined").json()
        assert (second["amount"], second["retries_remaining"]) == ("30.00", 1)

    def test_declines_of_payments_that_are_open_at_once_count_together(self, api, run_reactions):
        order = OrderFactory()
        open_ones = [
            post_payment(api, order, amount=amount, gateway_token=None).json()
            for amount in ("10.00", "20.00")
        ]
        rows = [Payment.objects.get(pk=each["id"]) for each in open_ones]
        for number, row in enumerate((rows[0], rows[1], rows[1])):
            report(row, state="declined", charge_id=f"ch_{number}")
        failed = EventRecord.objects.filter(stream=order.id, name="payment.failed")
        left = [
            json.loads(each.body)["data"]["retries_remaining"] for each in failed.order_by("number")
        ]
        assert left == [2, 1, 0]
        refused = api.post(
            f"/api/v1/payments/{rows[0].id}/retry",
            {"gateway_token": "tok_ok"},
            headers={"Idempotency-Key": "once-more"},
        )
        assert refused.status_code == 409

    def test_without_an_amount_all_that_is_due_is_charged(self, api):
        order = OrderFactory()
        waiting = post_payment(api, order, gateway_token=None, amount="40.00").json()
        paid = post_payment(api, order).json()
        assert (paid["amount"], paid["status"]) == ("50.00", "succeeded")
        assert Payment.objects.get(pk=waiting["id"]).abandoned_at

    def test_an_order_that_expires_gives_its_parts_back(self, api, run_reactions):
        order = OrderFactory()
        give(api, order)
        lifecycle.expire_unpaid_orders(now=timezone.now() + timedelta(hours=1))
        run_reactions()
        payment = Payment.objects.get()
        assert (show(api, order)["status"], payment.refunding) == ("cancelled", Decimal(30))
        assert payment.pending_refunds(by_hand=True), "the provider of the gift card pays it out"

    def test_a_late_capture_pays_what_is_due_and_the_rest_goes_back(self, api, run_reactions):
        order = OrderFactory()
        late = start_payment(order)
        capture.abandon_payment(payment_id=late.id)
        give(api, order)
        report(late, **captured(late, late.amount))
        run_reactions()
        surplus = Payment.objects.get(surplus_of=late)
        gateway.call_gateway(payment_id=surplus.id)
        surplus.refresh_from_db()
        assert (surplus.amount, surplus.status) == (Decimal(30), "refunded")
        assert amounts(order, "payment.succeeded") == ["30.00", "20.00"]
        assert amounts(order, "payment.refunded") == []
        assert show(api, order)["payment_status"] == "paid"


class TestTransfers:
    def test_a_short_one_leaves_the_rest_due(self, api, run_reactions):
        order = OrderFactory()
        payment = transfer(order, "49.50")
        run_reactions()
        assert (payment.status, payment.captured) == ("succeeded", Decimal("49.50"))
        shown = show(api, order)
        assert (shown["status"], shown["amount_due"]) == ("placed", "0.50")
        assert shown["payment_status"] == "partially_paid"
        rest = transfer(Order.objects.get(pk=order.id), "0.50")
        run_reactions()
        shown = show(api, order)
        assert (shown["status"], shown["payment_id"]) == ("confirmed", rest.id)
        assert amounts(order, "payment.succeeded") == ["49.50", "0.50"]

    def test_a_short_one_waits_as_long_as_a_transfer_and_goes_back(self, run_reactions):
        order = OrderFactory()
        payment = transfer(order, "49.50")
        run_reactions()
        for days, status in ((6, "placed"), (8, "cancelled")):
            lifecycle.expire_unpaid_orders(now=timezone.now() + timedelta(days=days))
            assert Order.objects.get(pk=order.id).status == status
        run_reactions()
        assert Payment.objects.get(pk=payment.pk).refunding == Decimal("49.50")

    @pytest.mark.parametrize("repeated", [False, True])
    def test_a_second_payment_of_all_goes_back_unseen(self, api, run_reactions, repeated):
        order = OrderFactory()
        late = start_payment(order)
        capture.abandon_payment(payment_id=late.id)
        post_payment(api, order)
        run_reactions()
        for _ in range(1 + repeated):
            report(late, **captured(late, late.amount))
        run_reactions()
        gateway.call_gateway(payment_id=late.id)
        late.refresh_from_db()
        assert (late.status, late.refunded, late.surplus_of_id) == ("refunded", 50, late.id)
        assert amounts(order, "payment.succeeded") == ["50.00"]
        assert amounts(order, "payment.refunded") == []
        assert (show(api, order)["payment_status"], show(api, order)["status"]) == (
            "paid",
            "confirmed",
        )
        assert invoice_of(order).creditable_amount == 50

    def test_a_second_transfer_of_all_waits_for_an_operator(self, api, operator, run_reactions):
        order = OrderFactory()
        second = start_payment(order, method="manual")
        capture.abandon_payment(payment_id=second.id)
        transfer(order, "50.00")
        run_reactions()
        for _ in range(2):
            answer = api.post(f"/api/v1/payments/{second.id}/capture", {"amount": "49.00"})
            assert (answer.status_code, answer.json()["captured"]) == (200, "49.00")
        run_reactions()
        assert amounts(order, "payment.succeeded") == ["50.00"]
        assert (
            second.id in operator().get("/admin/payments/payment/?queue=surplus").content.decode()
        )

    def test_what_is_too_much_waits_for_an_operator(self, api, operator, run_reactions):
        order = OrderFactory()
        payment = transfer(order, "60.00")
        run_reactions()
        assert show(api, order)["status"] == "confirmed"
        assert amounts(order, "payment.succeeded") == ["50.00"]
        surplus = Payment.objects.get(surplus_of=payment)
        assert (surplus.status, surplus.captured) == ("succeeded", Decimal(10))
        page = operator().get("/admin/payments/payment/?queue=surplus").content.decode()
        assert surplus.id in page
        assert payment.id not in page
        given_back = refund(surplus, "10.00")
        refunds.record_refund(payment_id=surplus.id, refund_id=given_back.id)
        run_reactions()
        assert amounts(order, "payment.refunded") == []
        assert invoice_of(order).creditable_amount == 50
        assert show(api, order)["payment_status"] == "paid"

    def test_a_repeated_request_records_nothing(self):
        order = OrderFactory()
        payment = transfer(order, "60.00")
        capture.capture_payment(payment_id=payment.id, amount=Decimal(60))
        assert Payment.objects.filter(order=order.id).count() == 2

    def test_of_a_cancelled_order_all_goes_back(self, run_reactions):
        order = OrderFactory()
        payment = start_payment(order, method="manual")
        cancel(order)
        capture.capture_payment(payment_id=payment.id, amount=Decimal(60))
        run_reactions()
        payment.refresh_from_db()
        assert (payment.captured, payment.refunding) == (Decimal(60), Decimal(60))


@pytest.mark.django_db(transaction=True)
def test_of_two_orders_that_claim_one_capture_one_gets_it(caller):
    orders = [OrderFactory(), OrderFactory()]
    sent = at_once(4, lambda n: give(caller(), orders[n % 2]).status_code)
    assert sorted(sent) == [201, 201, 409, 409]
    assert Payment.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_payments_at_once_never_exceed_the_total(caller):
    order = OrderFactory()

    def charge(n):
        body = {"order_id": order.id, "amount": "20.00"}
        if n % 2:
            body |= {"provider": "gift_card", "reference": f"GC-{n}"}
            return caller().post("/api/v1/payments/external", body).status_code
        body |= {"payment_method": "sandbox", "gateway_token": "tok_ok"}
        key = {"Idempotency-Key": f"key-{n}"}
        return caller().post("/api/v1/payments", body, headers=key).status_code

    assert sorted(at_once(6, charge)) == [201, 201, *[422] * 4]
    assert sum(payment.captured for payment in Payment.objects.all()) == 40
