"""Calls payment gateways: see `config.core.outbound`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from config.core import outbound
from config.core.unit_of_work import unit_of_work
from payments import selectors
from payments.gateways import (
    Gateway,
    GatewayTimeout,
    PaymentRequest,
    PaymentResult,
    RefundRequest,
    RefundResult,
)
from payments.gateways.manual import Manual
from payments.gateways.sandbox import Sandbox
from payments.gateways.stripe.gateway import Stripe
from payments.models import Payment, Refund
from payments.services.gateway_results import (
    Source,
    apply_payment_result,
    apply_refund_result,
    is_open_at_gateway,
    needs_call,
)

GATEWAYS: dict[str, Gateway] = {
    Payment.Method.STRIPE: Stripe(),
    Payment.Method.MANUAL: Manual(),
    Payment.Method.SANDBOX: Sandbox(),
}
LEASE = timedelta(seconds=60)  # for each call; longer than one may take


@dataclass(frozen=True)
class Call:
    """A call of a gateway about an attempt or a refund, whose id is `part_id`."""

    make: Callable[[], PaymentResult | RefundResult]
    part_id: str
    source: Source = "retrieve"


@dataclass(frozen=True)
class DueCalls:
    """A payment, and the calls about it that only the caller makes, until its lease ends."""

    payment: Payment
    leased_until: datetime
    calls: Sequence[Call]


def call_gateway(*, payment_id: str, now: datetime | None = None) -> outbound.Outcome:
    """Make the calls that are due about a payment, and record their results.

    Nothing is done while another caller has leased the payment.
    """
    outcome, _ = make_calls(lease_due_calls(payment_id=payment_id, now=now or timezone.now()))
    return outcome


def make_calls(due: DueCalls) -> tuple[outbound.Outcome, Payment]:
    """Make the calls, outside any transaction; return the payment with their results."""
    payment, error = due.payment, ""
    for call in due.calls:
        try:
            result = call.make()
        except GatewayTimeout as timeout:
            result, error = None, str(timeout)
        is_last = call is due.calls[-1]
        payment = _record(payment.id, call, result, due.leased_until, error if is_last else None)
    if not due.calls:
        return "skipped", payment
    return "no_response" if error else "done", payment


def call_due_gateways(*, now: datetime) -> int:
    """Make the calls that are due at `now`; return for how many payments."""
    return outbound.call_due(
        outbound.in_turns(
            selectors.due(now=now).values_list("pk", "organization_id", "method", "account"),
            "organization_id",
        ),
        lambda payment_id: call_gateway(payment_id=payment_id, now=now),
    )


@unit_of_work()
def call_gateway_now(*, payment_id: str) -> Payment:
    """Call the gateway now instead of at the next retry."""
    payment = selectors.get_for_update(payment_id)
    if payment.due_at:
        payment.request_call(timezone.now())
        payment.save()
    return payment


@unit_of_work()
def lease_due_calls(*, payment_id: str, now: datetime) -> DueCalls:
    """Lease the payment for the calls that are due; there are none if another caller has it."""
    payment, now = selectors.get_for_update(payment_id), max(now, timezone.now())
    if not payment.is_callable(now):
        return DueCalls(payment, now, [])
    gateway = GATEWAYS[payment.method]
    calls = [_payment_call(gateway, payment, now)] if is_open_at_gateway(payment) else []
    refunds = payment.pending_refunds(by_hand=False)
    calls += [_refund_call(gateway, payment, refund, now) for refund in refunds]
    leased_until = now
    if calls:
        leased_until = payment.lease(now, LEASE * len(calls))
    else:
        payment.finish_call()
    payment.save()
    return DueCalls(payment, leased_until, calls)


def _payment_call(gateway: Gateway, payment: Payment, now: datetime) -> Call:
    attempt = payment.latest_attempt
    request = PaymentRequest(
        payment_id=payment.id,
        order_id=payment.order_id,
        attempt_id=attempt.id,
        amount=payment.amount,
        currency=payment.currency,
        account=payment.account,
        token=attempt.token,
        gateway_payment_id=payment.gateway_payment_id,
        first_called_at=attempt.first_called_at,
        last_called_at=attempt.last_called_at,
        captures_later=payment.captures_later,
        capture_amount=payment.capture_amount,
    )
    is_attempt = payment.status == Payment.Status.OPENING
    if is_attempt:
        method = gateway.attempt
        attempt.first_called_at, attempt.last_called_at = attempt.first_called_at or now, now
    elif payment.abandoned_at:
        method = gateway.cancel
    elif payment.capture_amount is not None:
        method = gateway.capture
    else:
        method = gateway.retrieve
    payment.save_part(attempt)
    return Call(lambda: method(request), attempt.id, "attempt" if is_attempt else "retrieve")


def _refund_call(gateway: Gateway, payment: Payment, refund: Refund, now: datetime) -> Call:
    request = RefundRequest(
        refund_id=refund.id,
        payment_id=payment.id,
        gateway_payment_id=str(payment.gateway_payment_id),
        amount=refund.amount,
        currency=refund.currency,
        account=payment.account,
        first_called_at=refund.first_called_at,
    )
    refund.first_called_at = refund.first_called_at or now
    payment.save_part(refund)
    return Call(lambda: gateway.refund(request), refund.id)


@unit_of_work()
def _record(
    payment_id: str,
    call: Call,
    result: PaymentResult | RefundResult | None,
    leased_until: datetime,
    error: str | None,
) -> Payment:
    """Apply the result, if there is one; `error` comes with the last call of the lease."""
    payment, now = selectors.get_for_update(payment_id), timezone.now()
    if isinstance(result, RefundResult):
        refund = selectors.find_refund(payment, call.part_id)
        assert refund, "refunds are never deleted"
        apply_refund_result(payment, refund, result, now=now)
    elif result:
        # A webhook or a command during the call may know more than this result.
        is_leased = payment.leased_until == leased_until
        is_latest = is_leased and payment.latest_attempt.id == call.part_id
        source = call.source if is_latest else None
        apply_payment_result(payment, result, now=now, source=source)
    if error is not None and payment.release(leased_until):
        if needs_call(payment):
            payment.schedule_retry(now, error)
        else:
            payment.finish_call(error)
    payment.save()
    return selectors.get_for_update(payment_id)  # with what its consequences made of it
