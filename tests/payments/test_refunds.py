"""Refunds."""

import re
from decimal import Decimal

import pytest
from msgspec.structs import replace

from config.core.money import InexactAmount
from config.core.unit_of_work import unit_of_work
from events.aggregate import InvalidTransition
from events.models import EventRecord
from events.schema import parse
from payments import selectors
from payments.exceptions import RefundNotManual, RefundTooLarge, UnknownRefund
from payments.gateways import RefundResult
from payments.models import Payment, Refund
from payments.refund_parts import as_goodwill
from payments.services import capture, gateway, refunds
from payments.services.gateway_results import apply_refund_result
from tests.factories import OrderFactory, PaymentFactory, refund, start_payment
from tests.log import event_data, event_names, latest_number
from tests.parallel import at_once

pytestmark = pytest.mark.django_db


def of(payment):
    payment = selectors.get(payment.id)
    return payment.status, payment.refunded, payment.refunding


def request(payment, amount="10", **given):
    given = {"reason": "operator", **given}
    return refunds.request_refund(payment_id=payment.id, amount=Decimal(amount), **given)


def returned(payment, amount, method="original_payment"):
    """Refund a return whose event has no lines, as those of the first version."""
    given = {"order_id": payment.order_id, "return_id": "ret_1", "method": method}
    refunds.refund_return(amount=Decimal(amount), lines=[], **given)


@unit_of_work()
def fail(payment, refund):
    payment = selectors.get_for_update(payment.id)
    message = "The card expired."
    result = RefundResult(state="failed", error_code="expired_card", error_message=message)
    apply_refund_result(payment, payment.refunds[-1], result, now=refund.requested_at)
    payment.save()


def test_a_refund_is_published_when_the_gateway_has_paid_it_out():
    payment = PaymentFactory()
    before = latest_number()
    request(payment, reason="customer_return")
    assert event_names(payment.order, after=before) == ["refund.requested"]
    assert of(payment) == ("succeeded", 0, 10)
    gateway.call_gateway(payment_id=payment.id)
    assert event_names(payment.order, after=before)[1:] == ["payment.refunded", "refund.succeeded"]
    assert of(payment) == ("succeeded", 10, 0)
    told_to_others = event_data(payment.order, "payment.refunded")
    assert (told_to_others["refund_amount"], told_to_others["refund_reason"]) == (
        "10.00",
        "customer_return",
    )


def test_the_last_refund_makes_the_payment_refunded():
    payment = PaymentFactory()
    for amount in ("20", "29.99", "0.01"):
        assert of(payment)[0] == "succeeded"
        refund(payment, amount)
    assert of(payment) == ("refunded", 50, 0)


@pytest.mark.parametrize(
    ("first", "second", "left"), [("40", "10.01", "10.00"), ("50", "1", "0.00")]
)
def test_a_refund_of_more_than_is_left_is_refused_with_the_refundable_amount(first, second, left):
    payment = PaymentFactory()
    refund(payment, first)
    with pytest.raises(RefundTooLarge, match=f"{left} USD left to refund") as refused:
        request(payment, second)
    assert refused.value.details == {"max_refundable": left}


def test_an_amount_with_too_many_decimals_is_refused():
    with pytest.raises(InexactAmount):
        request(PaymentFactory(), "0.001")


def test_a_payment_that_is_not_captured_is_not_refunded():
    with pytest.raises(RefundTooLarge):
        request(PaymentFactory(status="pending"))


def test_the_amount_of_a_failed_refund_is_refundable_again_and_in_the_queue():
    payment = PaymentFactory()
    fail(payment, request(payment, "50"))
    assert of(payment) == ("succeeded", 0, 0)
    assert event_data(payment.order, "refund.failed")["error_message"] == "The card expired."
    waiting = Payment.objects.filter(selectors.with_failed_refunds())
    assert waiting.get() == payment
    refund(payment, "50")
    assert not waiting.exists(), "the money is no longer here"
    assert "payment.refunded" in event_names(payment.order)


def test_a_manual_refund_waits_for_an_operator():
    payment = PaymentFactory()
    credit = refund(payment, "10", method="store_credit")
    assert credit.status == "pending"
    refunds.record_refund(payment_id=payment.id, refund_id=credit.id)
    assert of(payment) == ("succeeded", 10, 0)
    assert "payment.refunded" not in event_names(payment.order), "the gateway has paid nothing out"
    assert event_data(payment.order, "refund.succeeded")["method"] == "store_credit"


def test_the_refund_of_a_manual_payment_is_manual_and_published(run_reactions):
    payment = start_payment(OrderFactory(), method="manual")
    capture.capture_payment(payment_id=payment.id)
    cash = refund(payment, "10")
    for _ in range(2):
        refunds.record_refund(payment_id=payment.id, refund_id=cash.id)
    assert event_names(payment.order).count("payment.refunded") == 1


def test_an_operator_does_not_record_a_gateway_refund():
    payment = PaymentFactory()
    with pytest.raises(RefundNotManual):
        refunds.record_refund(payment_id=payment.id, refund_id=request(payment).id)
    with pytest.raises(UnknownRefund):
        refunds.record_refund(payment_id=payment.id, refund_id="ref_no")


def test_the_latest_payment_is_refunded_first_and_at_most_what_is_left():
    payment = PaymentFactory()
    refund(payment, "45")
    refunds.refund_written_off_units(order_id=payment.order_id, amount=Decimal(20), lines=[])
    assert of(payment) == ("succeeded", 45, 5)


def test_an_amount_that_is_not_left_is_recorded_as_a_shortfall():
    payment = PaymentFactory()
    refund(payment, "45")
    returned(payment, 20, method="store_credit")
    given = selectors.get(payment.id).refunds[-1]
    assert (given.amount, given.method, given.cause) == (5, "store_credit", "ret_1")
    assert event_data(payment.order, "refund.requested")["cause"] == "ret_1"
    assert event_data(payment.order, "refund.fell_short") == {
        "payment_id": payment.id,
        "order_id": payment.order_id,
        "cause": "ret_1",
        "amount": "15.00",
        "currency": "USD",
    }
    assert selectors.get(payment.id).refundable == 0


def test_the_totals_of_the_refunds_with_one_cause():
    payment = PaymentFactory()
    for amount in (10, 20, 5):
        returned(payment, amount)
    fail(payment, selectors.get(payment.id).refunds[-1])
    first = selectors.get(payment.id).refunds[0]
    with unit_of_work():
        locked = selectors.get_for_update(payment.id)
        result = RefundResult(state="succeeded")
        apply_refund_result(locked, locked.refunds[0], result, now=payment.created_at)
        locked.save()
        came = selectors.refunds_caused_by("ret_1", locked.order)
        assert (came.requested, came.pending, came.succeeded) == (35, 20, 10)
        assert (came.method, came.settled_at) == (first.method, payment.created_at)
        assert selectors.refunds_caused_by("ret_2", locked.order).requested == 0


def test_a_refunded_payment_is_not_refunded_again():
    payment = PaymentFactory(status="refunded")
    locked = selectors.get(payment.id)
    with pytest.raises(InvalidTransition, match="not refunded yet"):
        locked.request_refund(
            parts=as_goodwill(Decimal(1)),
            reason="other",
            method="manual",
            cause=None,
            at=payment.created_at,
        )


def test_an_event_without_a_cause_and_parts_is_still_parsed():
    """A reaction to it may be pending when a new release starts."""
    payment = PaymentFactory()
    refund(payment, "10")
    body = EventRecord.objects.get(stream=payment.order_id, name="refund.requested").body
    older = re.sub(r',"cause":null,"parts":\[.*?\]', "", body)
    assert older != body
    parsed = parse("refund.requested", body)
    assert parse("refund.requested", older) == replace(parsed, parts=[])


@pytest.mark.django_db(transaction=True)
def test_of_twenty_concurrent_refunds_five_succeed_and_fifteen_are_refused(caller):
    payment = PaymentFactory()

    def request_refund(n):
        response = caller().post(
            f"/api/v1/payments/{payment.id}/refunds",
            {"amount": "10.00", "reason": "operator"},
            headers={"Idempotency-Key": f"key-{n}"},
        )
        return response.status_code, response.json().get("max_refundable")

    results = at_once(20, request_refund)
    assert sorted(results, key=str) == [(201, None)] * 5 + [(422, "0.00")] * 15
    assert of(payment) == ("refunded", 50, 0)
    assert Refund.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_concurrent_requests_with_one_key_make_one_refund(caller):
    payment = PaymentFactory()

    def request_refund(n):
        response = caller().post(
            f"/api/v1/payments/{payment.id}/refunds",
            {"amount": "10.00", "reason": "operator"},
            headers={"Idempotency-Key": "same"},
        )
        return response.status_code, response.json().get("id")

    [(status, _)] = set(at_once(4, request_refund))
    assert status == 201
    assert of(payment) == ("succeeded", 10, 0)
