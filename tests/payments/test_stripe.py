import logging
import multiprocessing
import traceback
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from payments.gateways import GatewayTimeout
from payments.gateways.stripe import gateway
from payments.gateways.stripe.gateway import Stripe
from payments.gateways.stripe.objects import minor_units
from tests.payments.conftest import payment_request, refund_request
from tests.payments.stripe_peer import StripePeer

stripe = Stripe()


def kinds(peer: StripePeer) -> list[str]:
    return [event["type"] for event in peer.events]


def test_a_card_is_charged_on_the_account_of_the_organization(stripe_peer: StripePeer) -> None:
    paid = stripe.attempt(payment_request())
    assert (paid.state, paid.amount, paid.currency) == ("succeeded", Decimal("125.50"), "USD")
    assert (paid.card_brand, paid.card_last4) == ("visa", "4242")
    assert paid.paid_at
    assert abs(paid.paid_at - datetime.now(UTC)) < timedelta(minutes=1)
    (request,) = stripe_peer.requests
    assert (request.account, request.key) == ("acct_1", "attempt_1")
    assert request.params["metadata"] == {"payment_id": "pay_1", "order_id": "order_1"}
    assert stripe.retrieve(payment_request(gateway_payment_id=paid.gateway_payment_id)) == paid


def test_repeated_calls_of_an_attempt_charge_once(stripe_peer: StripePeer) -> None:
    stripe_peer.faults.append("lost")
    with pytest.raises(GatewayTimeout):
        stripe.attempt(payment_request())
    again = payment_request(first_called_at=timezone.now())
    assert stripe.attempt(again) == stripe.attempt(again)
    assert stripe.attempt(again).state == "succeeded"
    assert kinds(stripe_peer) == ["payment_intent.succeeded"]


def test_an_attempt_of_a_killed_process_charges_once(stripe_peer: StripePeer) -> None:
    stripe_peer.faults.append("late")
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=stripe.attempt, args=(payment_request(),))
    process.start()
    assert stripe_peer.is_late.wait(60)
    process.kill()
    process.join()
    assert stripe.attempt(payment_request(first_called_at=timezone.now())).state == "succeeded"
    assert kinds(stripe_peer) == ["payment_intent.succeeded"]


@pytest.mark.parametrize("token", ["pm_card_visa", "pm_card_chargeDeclined"])
def test_an_attempt_reported_by_a_webhook_first_charges_once(
    token: str, stripe_peer: StripePeer
) -> None:
    stripe_peer.faults.append("lost")
    with pytest.raises(GatewayTimeout):
        stripe.attempt(payment_request(token=token))
    (intent_id,) = stripe_peer.intents
    known = payment_request(
        token=token, first_called_at=timezone.now(), gateway_payment_id=intent_id
    )
    assert stripe.attempt(known) == stripe.retrieve(known)
    assert len(stripe_peer.events) == 1


def test_an_attempt_is_found_when_its_key_is_forgotten(stripe_peer: StripePeer) -> None:
    stripe_peer.faults.append("lost")
    with pytest.raises(GatewayTimeout):
        stripe.attempt(payment_request())
    stripe_peer.forget_keys()
    late = payment_request(first_called_at=timezone.now() - timedelta(hours=24))
    assert stripe.attempt(late).state == "succeeded"
    assert len(stripe_peer.intents) == 1


def test_an_attempt_that_never_reached_stripe_is_made_after_a_day(stripe_peer: StripePeer) -> None:
    late = payment_request(first_called_at=timezone.now() - timedelta(hours=24))
    assert stripe.attempt(late).state == "succeeded"


def test_a_decline_is_a_result_and_the_next_card_pays_the_same_payment(
    stripe_peer: StripePeer,
) -> None:
    declined = stripe.attempt(payment_request(token="pm_card_chargeDeclinedInsufficientFunds"))
    assert (declined.state, declined.error_code) == ("declined", "card_declined")
    assert declined.error_message == "Your card has insufficient funds."
    assert (declined.card_brand, declined.card_last4) == ("visa", "9995")
    retry = payment_request(gateway_payment_id=declined.gateway_payment_id, attempt_id="attempt_2")
    assert stripe.retrieve(retry) == declined

    second = stripe.attempt(replace(retry, token="pm_card_chargeDeclined"))
    assert second.state == "declined"
    assert second.charge_id != declined.charge_id

    paid = stripe.attempt(replace(retry, attempt_id="attempt_3", token="pm_card_mastercard"))
    assert (paid.state, paid.card_last4) == ("succeeded", "4444")
    assert paid.gateway_payment_id == declined.gateway_payment_id


def test_without_a_token_the_customer_confirms(stripe_peer: StripePeer) -> None:
    waiting = stripe.attempt(payment_request(token=None))
    assert waiting.state == "waiting"
    assert waiting.client_secret
    known = payment_request(token=None, gateway_payment_id=waiting.gateway_payment_id)
    stripe_peer.pay(str(waiting.gateway_payment_id), "pm_card_chargeDeclined")
    assert stripe.attempt(known).state == "declined"
    stripe_peer.pay(str(waiting.gateway_payment_id), "pm_card_visa")
    assert stripe.attempt(known).state == "succeeded"


def test_the_bank_may_require_authentication(stripe_peer: StripePeer) -> None:
    token = "pm_card_authenticationRequired"
    waiting = stripe.attempt(payment_request(token=token))
    assert waiting.state == "waiting"
    known = payment_request(gateway_payment_id=waiting.gateway_payment_id, attempt_id="attempt_2")
    stripe_peer.authenticate(str(waiting.gateway_payment_id), succeeds=False)
    declined = stripe.retrieve(known)
    assert declined.error_code == "payment_intent_authentication_failure"
    assert stripe.retrieve(known).charge_id == declined.charge_id

    assert stripe.attempt(replace(known, token=token)).state == "waiting"
    stripe_peer.authenticate(str(waiting.gateway_payment_id), succeeds=False)
    assert stripe.retrieve(known).charge_id not in (None, declined.charge_id)

    assert stripe.attempt(replace(known, token=token, attempt_id="attempt_3")).state == "waiting"
    stripe_peer.authenticate(str(waiting.gateway_payment_id))
    assert stripe.retrieve(known).state == "succeeded"


def test_a_payment_may_be_processing_for_days(stripe_peer: StripePeer) -> None:
    processing = stripe.attempt(payment_request(token="pm_usBankAccount"))
    assert processing.state == "processing"
    known = payment_request(gateway_payment_id=processing.gateway_payment_id)
    assert stripe.cancel(known).state == "processing"
    stripe_peer.settle(str(processing.gateway_payment_id))
    paid = stripe.retrieve(known)
    assert (paid.state, paid.card_last4) == ("succeeded", None)


def test_a_card_number_sent_as_a_token_is_not_in_the_result(stripe_peer: StripePeer) -> None:
    refused = stripe.attempt(payment_request(token="4242424242424242"))
    assert (refused.state, refused.error_code) == ("refused", "resource_missing")
    assert refused.error_message == "No such PaymentMethod: '…'"
    assert refused.gateway_payment_id is None

    waiting = stripe.attempt(payment_request(token=None, attempt_id="attempt_2"))
    refused = stripe.attempt(
        payment_request(
            token="4242424242424242",
            attempt_id="attempt_3",
            gateway_payment_id=waiting.gateway_payment_id,
        )
    )
    assert refused.state == "refused"
    assert "4242" not in repr(refused)


def test_a_payment_captured_in_the_meantime_is_not_declined(stripe_peer: StripePeer) -> None:
    waiting = stripe.attempt(payment_request(token=None))
    stripe_peer.pay(str(waiting.gateway_payment_id), "pm_card_mastercard")
    known = payment_request(attempt_id="attempt_2", gateway_payment_id=waiting.gateway_payment_id)
    response = stripe.attempt(known)
    assert (response.state, response.card_last4) == ("succeeded", "4444")
    assert kinds(stripe_peer).count("payment_intent.succeeded") == 1


@pytest.mark.parametrize("fault", [401, 403, 409, 429, 500, "late", "lost"])
def test_an_error_is_a_timeout_and_contains_no_secret(
    fault: int | str, stripe_peer: StripePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "TIMEOUT", 0.1)
    for ask in (
        lambda: stripe.attempt(payment_request(first_called_at=timezone.now())),
        lambda: stripe.retrieve(payment_request(gateway_payment_id="pi_1")),
        lambda: stripe.cancel(payment_request(gateway_payment_id="pi_1")),
        lambda: stripe.refund(refund_request("pi_1")),
    ):
        stripe_peer.faults.append(fault)
        with pytest.raises(GatewayTimeout) as caught:
            ask()
        text = "".join(traceback.format_exception(caught.value))
        assert "Stripe: " in text
        assert "pm_card_visa" not in text
        assert "sk_test" not in text


def test_a_payment_of_another_account_is_invisible(stripe_peer: StripePeer) -> None:
    paid = stripe.attempt(payment_request())
    known = payment_request(account="acct_2", gateway_payment_id=paid.gateway_payment_id)
    for ask in (stripe.retrieve, stripe.cancel, stripe.attempt):
        with pytest.raises(GatewayTimeout):
            ask(known)


def test_a_payment_is_cancelled_unless_it_is_captured(stripe_peer: StripePeer) -> None:
    waiting = stripe.attempt(payment_request(token=None))
    known = payment_request(gateway_payment_id=waiting.gateway_payment_id)
    assert stripe.cancel(known).state == "cancelled"
    assert stripe.cancel(known).state == "cancelled"
    assert stripe.attempt(replace(known, attempt_id="attempt_2")).state == "cancelled"

    last = payment_request(attempt_id="attempt_4", token="pm_card_chargeDeclined")
    declined = stripe.attempt(last)
    known = payment_request(gateway_payment_id=declined.gateway_payment_id)
    assert stripe.cancel(known).state == "cancelled"
    assert stripe.retrieve(known).state == "cancelled"

    paid = stripe.attempt(payment_request(attempt_id="attempt_3"))
    assert stripe.cancel(payment_request(gateway_payment_id=paid.gateway_payment_id)) == paid


def test_a_payment_that_was_never_sent_to_stripe_is_cancelled(stripe_peer: StripePeer) -> None:
    assert stripe.cancel(payment_request()).state == "cancelled"
    assert stripe.retrieve(payment_request()).state == "waiting"
    assert not stripe_peer.requests


def test_a_payment_whose_response_was_lost_is_found_and_cancelled(stripe_peer: StripePeer) -> None:
    stripe_peer.faults.append("lost")
    with pytest.raises(GatewayTimeout):
        stripe.attempt(payment_request(token=None))
    known = payment_request(first_called_at=timezone.now())
    assert stripe.retrieve(known).state == "waiting"
    assert stripe.cancel(known).state == "cancelled"


def test_a_payment_that_the_search_does_not_find_yet_may_exist(stripe_peer: StripePeer) -> None:
    just_now = payment_request(first_called_at=timezone.now())
    for ask in (stripe.retrieve, stripe.cancel):
        with pytest.raises(GatewayTimeout, match="does not find payment pay_1 yet"):
            ask(just_now)
    long_ago = payment_request(first_called_at=timezone.now() - timedelta(hours=2))
    assert stripe.retrieve(long_ago).state == "waiting"
    assert stripe.cancel(long_ago).state == "cancelled"


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("125.50", "USD", 12550),
        ("1300", "JPY", 1300),
        ("5.120", "KWD", 5120),
        ("5", "ISK", 500),  # no decimals, but Stripe goes on counting them
        ("5", "UGX", 500),
        ("5.00", "MGA", 5),  # decimals that Stripe does not count
        ("5.45", "HUF", 545),
        ("800.45", "TWD", 80045),
    ],
)
def test_an_amount_is_converted_to_stripes_minor_units(
    amount: str, currency: str, units: int, stripe_peer: StripePeer
) -> None:
    paid = stripe.attempt(payment_request(amount=Decimal(amount), currency=currency))
    (intent,) = stripe_peer.intents.values()
    assert (intent["amount"], intent["currency"]) == (units, currency.lower())
    assert (paid.amount, paid.currency) == (Decimal(amount), currency)
    assert minor_units(Decimal(amount), currency) == units


@pytest.mark.parametrize(("amount", "currency"), [("5.124", "KWD"), ("0.50", "MGA")])
def test_an_amount_that_stripe_does_not_support_is_refused(
    amount: str, currency: str, stripe_peer: StripePeer
) -> None:
    refused = stripe.attempt(payment_request(amount=Decimal(amount), currency=currency))
    assert (refused.state, refused.error_code) == ("refused", "unsupported_amount")
    assert currency in refused.error_message
    back = stripe.refund(refund_request("pi_1", amount, currency=currency))
    assert (back.state, back.error_code) == ("failed", "unsupported_amount")
    assert not stripe_peer.requests


@pytest.mark.parametrize("captured", ["125.50", "100.00"])
def test_an_authorized_payment_is_captured_once(captured: str, stripe_peer: StripePeer) -> None:
    reserved = stripe.attempt(payment_request(captures_later=True))
    assert (reserved.state, reserved.amount) == ("authorized", Decimal("125.50"))
    known = payment_request(
        gateway_payment_id=reserved.gateway_payment_id, capture_amount=Decimal(captured)
    )
    assert stripe.retrieve(known).state == "authorized"
    stripe_peer.faults.append("lost")
    with pytest.raises(GatewayTimeout):
        stripe.capture(known)
    paid = stripe.capture(known)
    assert (paid.state, paid.amount) == ("succeeded", Decimal(captured))
    assert stripe.cancel(known) == stripe.retrieve(known) == paid
    stripe_peer.forget_keys()
    assert stripe.capture(known) == paid
    assert kinds(stripe_peer).count("payment_intent.succeeded") == 1


def test_a_capture_that_stripe_does_not_take_leaves_the_payment_authorized(
    stripe_peer: StripePeer,
) -> None:
    reserved = stripe.attempt(
        payment_request(captures_later=True, amount=Decimal("5.120"), currency="KWD")
    )
    known = payment_request(
        gateway_payment_id=reserved.gateway_payment_id,
        capture_amount=Decimal("5.115"),
        currency="KWD",
    )
    refused = stripe.capture(known)
    assert (refused.state, refused.error_code) == ("refused", "unsupported_amount")
    assert stripe.cancel(known).state == "cancelled"


def test_an_amount_below_the_minimum_is_refused(stripe_peer: StripePeer) -> None:
    refused = stripe.attempt(payment_request(amount=Decimal("0.49")))
    assert (refused.state, refused.error_code) == ("refused", "amount_too_small")


def test_no_secret_is_logged(stripe_peer: StripePeer, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    stripe.attempt(payment_request(token="4242424242424242"))
    paid = stripe.attempt(payment_request(attempt_id="attempt_2"))
    for secret in ("4242", "pm_card_visa", "sk_test_of_the_tests", str(paid.client_secret)):
        assert secret not in caplog.text
