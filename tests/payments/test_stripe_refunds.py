import threading

import pytest
from django.utils import timezone

from payments.gateways import GatewayTimeout
from payments.gateways.stripe.gateway import Stripe
from tests.payments.conftest import payment_request, refund_request
from tests.payments.stripe_peer import StripePeer

stripe = Stripe()


def test_a_refund_is_made_once(stripe_peer: StripePeer) -> None:
    paid = stripe.attempt(payment_request())
    stripe_peer.faults.append("lost")
    with pytest.raises(GatewayTimeout):
        stripe.refund(refund_request(paid.gateway_payment_id))
    stripe_peer.forget_keys()
    again = refund_request(paid.gateway_payment_id, first_called_at=timezone.now())
    refunded = stripe.refund(again)
    assert refunded.state == "succeeded"
    assert refunded.refunded_at
    (refund,) = stripe_peer.refunds.values()
    assert (refund["amount"], refund["id"]) == (2550, refunded.gateway_refund_id)
    assert refund["metadata"] == {"refund_id": "ref_1", "payment_id": "pay_1"}

    rest = refund_request(
        paid.gateway_payment_id, "100.00", refund_id="ref_2", first_called_at=timezone.now()
    )
    assert stripe.refund(rest).state == "succeeded"
    assert [refund["amount"] for refund in stripe_peer.refunds.values()] == [2550, 10000]


def test_concurrent_calls_of_a_refund_make_one_refund(stripe_peer: StripePeer) -> None:
    paid = stripe.attempt(payment_request())
    asking = [
        threading.Thread(target=stripe.refund, args=(refund_request(paid.gateway_payment_id),))
        for _ in range(4)
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(stripe_peer.refunds) == 1


def test_a_refund_may_be_pending_and_may_fail(stripe_peer: StripePeer) -> None:
    paid = stripe.attempt(payment_request())
    stripe_peer.refund_status = "pending"
    pending = stripe.refund(refund_request(paid.gateway_payment_id))
    assert (pending.state, pending.refunded_at) == ("pending", None)
    stripe_peer.finish(str(pending.gateway_refund_id), "failed", "expired_or_canceled_card")
    failed = stripe.refund(refund_request(paid.gateway_payment_id, first_called_at=timezone.now()))
    assert (failed.state, failed.error_code) == ("failed", "expired_or_canceled_card")
    assert failed.gateway_refund_id == pending.gateway_refund_id


def test_a_rejected_refund_has_failed_with_a_reason(stripe_peer: StripePeer) -> None:
    paid = stripe.attempt(payment_request())
    too_much = stripe.refund(refund_request(paid.gateway_payment_id, "125.51"))
    assert too_much.state == "failed"
    assert "greater than unrefunded amount" in too_much.error_message
    all_of_it = refund_request(paid.gateway_payment_id, "125.50", refund_id="ref_2")
    assert stripe.refund(all_of_it).state == "succeeded"
    again = stripe.refund(refund_request(paid.gateway_payment_id, refund_id="ref_3"))
    assert (again.state, again.error_code) == ("failed", "charge_already_refunded")
