"""Calling gateways. Intent, call and result are three steps, and the call is in no transaction.

What is wanted of a gateway is the state of the rows. Whoever makes a call first claims it for a
while, so that nobody else does; a caller that is killed is followed by the timer, and the
gateway knows a repeat by its key.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.db import transaction
from django.utils import timezone

from payments import selectors
from payments.gateways import Asked, AskedBack, Charge, Gateway, NoAnswer, Payout
from payments.gateways.manual import Manual
from payments.gateways.sandbox import Sandbox
from payments.gateways.stripe import Stripe
from payments.models import Payment, Refund
from payments.services.answers import take_charge, take_payout
from payments.services.locks import lock_payment, save

logger = logging.getLogger(__name__)

GATEWAYS: dict[str, Gateway] = {
    Payment.Method.STRIPE: Stripe(),
    Payment.Method.MANUAL: Manual(),
    Payment.Method.SANDBOX: Sandbox(),
}
CLAIM = timedelta(seconds=60)  # for each call; longer than one may take
AT_ONCE = 100  # calls in one run of the timer; the next one goes on
LOOKED_AT = 5_000  # payments, of which some may have to be left


@dataclass(frozen=True)
class Call:
    """Something to ask a gateway, about an attempt or about a refund."""

    ask: Callable[[], Charge | Payout]
    about: str
    asked: Literal["attempt", "look"] = "look"


def call_gateway(*, payment_id: str, now: datetime | None = None) -> bool:
    """Ask the gateway what is due about a payment, and record what it answers.

    Return whether it answered. What somebody else is asking, or nobody wants to know now, is left.
    """
    calls = _claim(payment_id, now or timezone.now())
    error = ""
    for call in calls:
        try:
            answer = call.ask()
        except NoAnswer as silence:
            answer, error = None, str(silence)
        _record(payment_id, call, answer, error if call is calls[-1] else None)
    return not error


def call_due_gateways(*, now: datetime) -> int:
    """Make the calls that are due at `now`; return for how many payments.

    One that fails must not keep the others waiting. An account of which no answer comes is left
    alone until the next run: nobody is to wait for it again and again.
    """
    done, silent = 0, set()
    due = selectors.due(now=now).values_list("pk", "method", "account")
    for payment_id, *where in due[:LOOKED_AT]:
        if tuple(where) in silent:
            continue
        try:
            if not call_gateway(payment_id=payment_id, now=now):
                silent.add(tuple(where))
        except Exception:
            logger.exception("A gateway could not be called about %s", payment_id)
        else:
            done += 1
        if done == AT_ONCE:
            break
    return done


@transaction.atomic
def ask_again(*, payment_id: str) -> Payment:
    """Somebody wants to know at once what the timer would ask later."""
    payment = lock_payment(payment_id)
    if payment.due_at:
        payment.want_call(timezone.now())
        save(payment)
    return payment


@transaction.atomic
def _claim(payment_id: str, now: datetime) -> list[Call]:
    """Return what to ask, which nobody else asks for a while."""
    payment, now = lock_payment(payment_id), max(now, timezone.now())
    if payment.due_at is None or (payment.calls and payment.due_at > now):
        return []
    gateway = GATEWAYS[payment.method]
    calls = []
    if payment.is_undecided:
        calls.append(_about_payment(gateway, payment, now))
    calls += [_about_refund(gateway, payment, refund, now) for refund in payment.owed_by_gateway()]
    if calls:
        payment.calls += 1
        payment.due_at = now + CLAIM * len(calls)
    else:
        payment.plan_call(now)
    save(payment)
    return calls


def _about_payment(gateway: Gateway, payment: Payment, now: datetime) -> Call:
    attempt = payment.attempt
    asked = Asked(
        payment_id=payment.id,
        order_id=payment.order_id,
        attempt_id=attempt.id,
        amount=payment.amount,
        currency=payment.currency,
        account=payment.account,
        token=attempt.token,
        gateway_payment_id=payment.gateway_payment_id,
        asked_at=attempt.asked_at,
        asked_last_at=attempt.asked_last_at,
    )
    is_attempt = payment.status == Payment.Status.OPENING
    if is_attempt:
        ask = gateway.attempt
        attempt.asked_at, attempt.asked_last_at = attempt.asked_at or now, now
    elif payment.abandoned_at:
        ask = gateway.cancel
    else:
        ask = gateway.look
    payment.save_part(attempt)
    return Call(lambda: ask(asked), attempt.id, "attempt" if is_attempt else "look")


def _about_refund(gateway: Gateway, payment: Payment, refund: Refund, now: datetime) -> Call:
    asked = AskedBack(
        refund_id=refund.id,
        payment_id=payment.id,
        gateway_payment_id=str(payment.gateway_payment_id),
        amount=refund.amount,
        currency=refund.currency,
        account=payment.account,
        asked_at=refund.asked_at,
    )
    refund.asked_at = refund.asked_at or now
    payment.save_part(refund)
    return Call(lambda: gateway.refund(asked), refund.id)


@transaction.atomic
def _record(payment_id: str, call: Call, answer: Charge | Payout | None, error: str | None) -> None:
    """Take what was answered, if it was; with the last answer, decide when to ask again."""
    payment, now = lock_payment(payment_id), timezone.now()
    # Something may have happened meanwhile, which the gateway did not know or does not tell.
    is_latest = payment.attempt.id == call.about and payment.calls
    if isinstance(answer, Payout):
        refund = payment.giveback(call.about)
        assert refund, "refunds are never deleted"
        take_payout(payment, refund, answer, now=now)
    elif answer:
        take_charge(payment, answer, now=now, asked=call.asked if is_latest else None)
    if error is not None:
        payment.last_error = error[:500]
        if payment.calls:
            payment.plan_call(now)
    save(payment)
