"""Calling gateways. Intent, call and result are three steps, and the call is in no transaction.

What is wanted of a gateway is the state of the rows. Whoever makes a call first claims it for a
while, so that nobody else does; a caller that is killed is followed by the timer, and the
gateway knows a repeat by its key.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.db import transaction
from django.utils import timezone

from config.core import outbound
from payments import selectors
from payments.gateways import Asked, AskedBack, Charge, Gateway, NoAnswer, Payout
from payments.gateways.manual import Manual
from payments.gateways.sandbox import Sandbox
from payments.gateways.stripe import Stripe
from payments.models import Payment, Refund
from payments.services.answers import take_charge, take_payout
from payments.services.locks import lock_payment, save

GATEWAYS: dict[str, Gateway] = {
    Payment.Method.STRIPE: Stripe(),
    Payment.Method.MANUAL: Manual(),
    Payment.Method.SANDBOX: Sandbox(),
}
LEASE = timedelta(seconds=60)  # of each call; longer than one may take


@dataclass(frozen=True)
class Call:
    """Something to ask a gateway, about an attempt or about a refund."""

    ask: Callable[[], Charge | Payout]
    about: str
    asked: Literal["attempt", "look"] = "look"


def call_gateway(*, payment_id: str, now: datetime | None = None) -> outbound.Outcome:
    """Make the calls that are due about a payment and record their results.

    Nothing is done while another caller has leased the payment.
    """
    lease, calls = _lease(payment_id, now or timezone.now())
    if not calls:
        return "skipped"
    error = ""
    for call in calls:
        try:
            result = call.ask()
        except NoAnswer as silence:
            result, error = None, str(silence)
        _record(payment_id, call, result, lease, error if call is calls[-1] else None)
    return "no_response" if error else "done"


def call_due_gateways(*, now: datetime) -> int:
    """Make the calls that are due at `now`; return for how many payments."""
    return outbound.call_due(
        selectors.due(now=now).values_list("pk", "method", "account"),
        lambda payment_id: call_gateway(payment_id=payment_id, now=now),
    )


@transaction.atomic
def ask_again(*, payment_id: str) -> Payment:
    """Let the gateway be called now instead of at the next retry."""
    payment = lock_payment(payment_id)
    if payment.due_at:
        payment.request_call(timezone.now())
        save(payment)
    return payment


@transaction.atomic
def _lease(payment_id: str, now: datetime) -> tuple[datetime, list[Call]]:
    """Lease the payment and return the calls that are due, none if another caller has it."""
    payment, now = lock_payment(payment_id), max(now, timezone.now())
    if not payment.is_callable(now):
        return now, []
    gateway = GATEWAYS[payment.method]
    calls = []
    if payment.is_undecided:
        calls.append(_about_payment(gateway, payment, now))
    calls += [_about_refund(gateway, payment, refund, now) for refund in payment.owed_by_gateway()]
    if calls:
        lease = payment.lease(now, LEASE * len(calls))
    else:
        lease = now
        payment.finish_call()
    save(payment)
    return lease, calls


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
def _record(
    payment_id: str,
    call: Call,
    result: Charge | Payout | None,
    lease: datetime,
    error: str | None,
) -> None:
    """Apply the result, if there is one; `error` comes with the last call of the lease."""
    payment, now = lock_payment(payment_id), timezone.now()
    # A webhook or a command during the call may know more than this result.
    is_latest = payment.attempt.id == call.about and payment.leased_until == lease
    if isinstance(result, Payout):
        refund = payment.giveback(call.about)
        assert refund, "refunds are never deleted"
        take_payout(payment, refund, result, now=now)
    elif result:
        take_charge(payment, result, now=now, asked=call.asked if is_latest else None)
    if error is not None and payment.release(lease):
        payment.schedule_call(now, error)
    save(payment)
