"""Charging the amount that is due for an order, and capturing it."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

import orders.selectors
from config.core import request_context
from config.core.clock import days_later
from config.core.locks import lock
from config.core.money import exact, money
from config.core.unit_of_work import unit_of_work
from payments import selectors
from payments.exceptions import (
    CaptureTooLarge,
    OrderNotPayable,
    PaymentInProgress,
    PaymentMethodUnavailable,
    PaymentTooLarge,
    ReferenceUsed,
    UnknownSandboxToken,
)
from payments.gateways.sandbox import TOKENS
from payments.models import Payment
from payments.models.payment import MAX_ATTEMPTS
from payments.services.gateway_results import abandon_all

if TYPE_CHECKING:
    from orders.models import Order

Method = Payment.Method


@unit_of_work()
def start_payment(
    *,
    order_id: str,
    method: str,
    amount: Decimal | None = None,
    token: str | None = None,
    captures_later: bool = False,
) -> Payment:
    """Charge what is due for an order, or an `amount` of it besides its other payments.

    An order has three attempts, whichever of its payments make them. `token` is the gateway's id
    of the customer's payment method. If `captures_later`, the gateway only reserves the amount.
    Without an `amount`, a payment that charges all that is due already is returned, and those that
    were started with another method or token are abandoned, unless they may be capturing money.
    Raises OrderNotPayable, PaymentTooLarge, PaymentInProgress, PaymentMethodUnavailable,
    UnknownSandboxToken, InexactAmount.
    """
    order = orders.selectors.get_for_update(order_id)
    now = timezone.now()
    earlier = [each for each in selectors.of_order_for_update(order) if not each.is_captured]
    if amount is None:
        for payment in earlier:
            is_same = (payment.method, payment.captures_later) == (method, captures_later)
            is_same = is_same and token in (None, payment.latest_attempt.token)
            is_all = payment.amount == selectors.amount_due(order) - selectors.authorized(order)
            if is_same and is_all and payment.status in Payment.OPEN:
                return payment
    _expect_payable(order)
    if method != Method.MANUAL:
        _expect_attempts_left(order)
    account = _gateway_account(order.organization_id, method, token)
    if amount is None:
        _expect_no_capture_under_way(order)
        abandon_all(
            (each for each in earlier if each.status != Payment.Status.AUTHORIZED),
            reason="another_payment",
            at=now,
        )
        amount = selectors.payable(order)
    payment = Payment.open(
        order=order,
        method=method,
        amount=_checked(order, amount),
        account=account,
        earlier_declines=selectors.declines(order),
        token=token,
        captures_later=captures_later,
        at=now,
    )
    payment.save()
    return payment


@unit_of_work()
def record_external_payment(
    *, order_id: str, amount: Decimal, provider: str, reference: str, paid_at: datetime | None
) -> Payment:
    """Record money that another system has captured for an order, such as a gift card.

    `reference` is the provider's id of the capture, which is recorded once. Raises
    OrderNotPayable, PaymentTooLarge, ReferenceUsed, InexactAmount.
    """
    order = orders.selectors.get_for_update(order_id)
    lock(f"{provider} {reference} of {order.organization_id}")  # another order may claim it too
    known = Payment.objects.filter(
        organization_id=order.organization_id, provider=provider, reference=reference
    ).first()
    if known:
        if (known.order_id, known.amount) != (order.id, amount):
            raise ReferenceUsed(f"{reference} of {provider} is recorded already, as {known.id}.")
        return selectors.get_for_update(known.id)
    _expect_payable(order)
    now = timezone.now()
    payment = Payment.open(
        order=order,
        method=Method.EXTERNAL,
        amount=_checked(order, amount),
        provider=provider,
        reference=reference,
        token=None,
        at=now,
    )
    payment.finish_call()
    payment.ensure_accepted(at=now)
    payment.succeed(
        amount=payment.amount, due=selectors.amount_due(order), at=min(paid_at or now, now)
    )
    payment.save()
    return payment


@unit_of_work()
def retry_payment(*, payment_id: str, token: str | None = None) -> Payment:
    """Make another attempt after a decline, with `token` if there is one.

    Raises OrderNotPayable, PaymentTooLarge, PaymentInProgress, UnknownSandboxToken,
    InvalidTransition.
    """
    payment = selectors.get_for_update(payment_id)
    if payment.status in Payment.OPEN and payment.latest_attempt.token == token:
        return payment
    _gateway_account(payment.organization_id, payment.method, token)
    _expect_payable(payment.order)
    if payment.is_outcome_open:
        _expect_no_capture_under_way(payment.order)
    if payment.status == Payment.Status.FAILED:
        _checked(payment.order, payment.amount)
        if payment.may_be_retried():
            _expect_attempts_left(payment.order)
    payment.retry(token=token, at=timezone.now())
    payment.save()
    return payment


@unit_of_work()
def abandon_payment(*, payment_id: str) -> Payment:
    """Stop waiting for a payment. If money is captured all the same, it is applied or refunded.

    Raises InvalidTransition if the payment is captured.
    """
    payment = selectors.get_for_update(payment_id)
    if payment.is_captured or payment.is_awaited():
        payment.abandon(reason="operator", at=timezone.now())
        payment.save()
    return payment


@unit_of_work()
def void_payment(*, payment_id: str) -> Payment:
    """Let the authorized money of a payment go. Raises InvalidTransition."""
    payment = selectors.get_for_update(payment_id)
    if not (payment.authorized_at and payment.abandoned_at):
        payment.void(at=timezone.now())
        payment.save()
    return payment


@unit_of_work()
def abandon_unneeded_payments(*, order_id: str) -> None:
    """Stop waiting for other payments of a paid order.

    Of an order that is confirmed before it is paid, record what the customer owes.
    """
    order, now = orders.selectors.get_for_update(order_id), request_context.now()
    if not (due := selectors.amount_due(order)):
        abandon_all(selectors.of_order_for_update(order), reason="order_paid", at=now)
    elif order.confirmed_at and not selectors.on_account(order):
        owed = Payment.open(order=order, method=Method.ON_ACCOUNT, amount=due, token=None, at=now)
        owed.defer(until=selectors.payable_until(order))
        owed.save()


@unit_of_work()
def settle_capture(*, payment_id: str) -> None:
    """Record what a capture means for the order's other payments.

    What was received beyond the amount due becomes a payment of its own, which is refunded if a
    gateway can. Of an order that was confirmed before it is paid, the customer owes less.
    """
    payment, now = selectors.get_for_update(payment_id), request_context.now()
    payments = selectors.of_order_for_update(payment.order)
    if payment.surplus and not any(each.surplus_of_id == payment.id for each in payments):
        _split_surplus(payment, now)
    is_part = payment.authorized_at or payment.moved_from_id
    if is_part and (rest := selectors.amount_due(payment.order)):
        _await_rest(payment, payment.captured + rest)
        payment.save()
    if owed := selectors.on_account(payment.order):
        owed.settle(selectors.amount_due(payment.order))
        owed.save()
        if owed.status == Payment.Status.CLOSED:
            abandon_all(payments, reason="order_paid", at=now)


@unit_of_work()
def capture_payment(
    *, payment_id: str, amount: Decimal | None = None, card_last4: str | None = None
) -> Payment:
    """Record money that an operator has received, or capture what a gateway has authorized.

    `amount` is what was received or is to be captured, by default all. Of money that was received,
    what is beyond the amount due becomes a payment of its own, and for what is missing the order
    waits as long as for a bank transfer. If the order is cancelled, the payments context refunds
    the payment. Raises CaptureTooLarge, InexactAmount, InvalidTransition.
    """
    payment, now = selectors.get_for_update(payment_id), timezone.now()
    due = selectors.amount_due(payment.order)
    if payment.authorized_at:
        return _request_capture(payment, amount, due)
    wanted = exact(payment.amount if amount is None else amount, payment.currency)
    is_same = amount in (None, payment.captured + payment.surplus)
    if is_same and payment.is_captured and payment.is_manual() and payment.card_last4 == card_last4:
        return payment
    if payment.is_manual() and selectors.is_superfluous(payment):
        payment.ensure_accepted(at=now)
        payment.keep_surplus(amount=wanted, card_last4=card_last4, at=now)
    else:
        payment.capture(amount=wanted, due=due, card_last4=card_last4, at=now)
        _await_rest(payment, due)
    payment.save()
    return payment


@unit_of_work()
def apply_payment(*, payment_id: str) -> Payment:
    """Count a mismatched capture towards its order's total; this releases the order.

    The order is confirmed if it is paid in full by that. Otherwise it waits for the rest as long as
    for a bank transfer. Raises OrderNotPayable, InvalidTransition.
    """
    payment = selectors.get_for_update(payment_id)
    if payment.applies_to_order and payment.is_mismatched:
        return payment
    due = selectors.amount_due(payment.order)
    payment.apply(due=due)
    _await_rest(payment, due)
    payment.save()
    return payment


def _split_surplus(payment: Payment, at: datetime) -> None:
    surplus = payment.part_for(payment.order, payment.surplus, at, surplus_of=payment)
    surplus.keep_surplus(amount=surplus.amount, at=at)
    surplus.save()


def _request_capture(payment: Payment, amount: Decimal | None, due: Decimal) -> Payment:
    """Request a capture of what is authorized: an amount, by default what is due of it."""
    currency = payment.currency
    if payment.is_captured and amount in (None, payment.captured):
        return payment
    if payment.status != Payment.Status.AUTHORIZED or payment.capture_amount is None:
        left = max(due - selectors.being_captured(payment.order), Decimal(0))
        most = money(min(payment.amount, left), currency)
        wanted = most if amount is None else exact(amount, currency)
        if not most or wanted > most:
            raise CaptureTooLarge(
                f"At most {most} {currency} of {payment.id} can be captured, not {wanted}.",
                max_capturable=str(most),
            )
        payment.request_capture(amount=wanted, at=timezone.now())
        payment.save()
    elif amount not in (None, payment.capture_amount):
        raise PaymentInProgress(f"{payment.id} is being captured: wait for the result.")
    return payment


def _await_rest(payment: Payment, due: Decimal) -> None:
    """Let an order that is paid in part wait for the rest."""
    if payment.captured < due and payment.order.status == payment.order.Status.PLACED:
        now = timezone.now().replace(microsecond=0)
        days = selectors.manual_payment_days(payment.organization_id)
        payment.await_transfer(until=days_later(now, days, payment.order.time_zone))


def _expect_attempts_left(order: "Order") -> None:
    """Raise OrderNotPayable."""
    if (declines := selectors.declines(order)) >= MAX_ATTEMPTS:
        raise OrderNotPayable(
            f"{order.id} is not charged again: {declines} attempts were declined."
        )


def _expect_payable(order: "Order") -> None:
    """Raise OrderNotPayable."""
    if selectors.amount_due(order):
        return
    if order.status == order.Status.PLACED:
        raise OrderNotPayable(f"{order.id} is paid, and about to be confirmed.")
    raise OrderNotPayable(f"Nothing is due for {order.id}: it is {order.status}.")


def _checked(order: "Order", amount: Decimal) -> Decimal:
    """Return an amount to charge. Raises PaymentTooLarge, OrderNotPayable, InexactAmount."""
    amount, payable = exact(amount, order.currency), money(selectors.payable(order), order.currency)
    if not payable:
        raise OrderNotPayable(f"Other payments of {order.id} are about to pay all that is due.")
    if amount > payable:
        raise PaymentTooLarge(
            f"{order.id} has {payable} {order.currency} left to pay, not {amount}.",
            max_payable=str(payable),
        )
    return amount


def _expect_no_capture_under_way(order: "Order") -> None:
    if selectors.may_be_capturing(order):
        raise PaymentInProgress(
            f"A payment of {order.id} may be capturing money: wait for its outcome."
        )


def _gateway_account(organization_id: str, method: str, token: str | None) -> str | None:
    """Return the organization's account at the gateway, None if the gateway has no accounts.

    Raises PaymentMethodUnavailable, UnknownSandboxToken.
    """
    if method == Method.SANDBOX:
        if not settings.PAYMENT_SANDBOX:
            raise PaymentMethodUnavailable(
                "The sandbox gateway is disabled: PAYMENT_SANDBOX=true enables it."
            )
        if token is not None and token not in TOKENS:
            raise UnknownSandboxToken(f"The sandbox has no {token}; it has {', '.join(TOKENS)}.")
    if method != Method.STRIPE:
        return None
    account = selectors.stripe_account(organization_id)
    if not (account and settings.STRIPE_API_KEY):
        raise PaymentMethodUnavailable(
            f"{organization_id} takes no card payments: it needs STRIPE_API_KEY and a connected "
            "account at Stripe."
        )
    return account
