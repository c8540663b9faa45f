"""Charging the amount that is due for an order, and capturing it."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

import orders.selectors
from config.core import request_context
from config.core.clock import days_later
from config.core.unit_of_work import unit_of_work
from payments import selectors
from payments.exceptions import (
    OrderNotPayable,
    PaymentInProgress,
    PaymentMethodUnavailable,
    UnknownSandboxToken,
)
from payments.gateways.sandbox import TOKENS
from payments.models import Payment
from payments.models.payment import MAX_ATTEMPTS
from payments.services.gateway_results import is_still_due

if TYPE_CHECKING:
    from orders.models import Order

Method = Payment.Method


@unit_of_work()
def start_payment(*, order_id: str, method: str, token: str | None = None) -> Payment:
    """Charge the amount that is due; return the payment that is doing so already, if there is one.

    An order has three attempts, whichever of its payments make them. `token` is the gateway's id
    of the customer's payment method. Payments that were started with another method or token are
    abandoned, unless they may be capturing money. Raises OrderNotPayable, PaymentInProgress,
    PaymentMethodUnavailable, UnknownSandboxToken.
    """
    order = orders.selectors.get_for_update(order_id)
    now = timezone.now()
    if order.status != order.Status.PLACED:
        raise OrderNotPayable(f"Nothing is due for {order.id}: it is {order.status}.")
    payments = selectors.of_order_for_update(order)
    earlier = [each for each in payments if not each.is_captured]
    for payment in earlier:
        is_same = payment.method == method and token in (None, payment.latest_attempt.token)
        if is_same and payment.status in Payment.OPEN:
            return payment
    due = order.total - selectors.received(order)
    if due <= 0:
        raise OrderNotPayable(f"{order.id} is paid, and about to be confirmed.")
    declines = sum(payment.declines for payment in payments)
    if declines >= MAX_ATTEMPTS and method != Method.MANUAL:
        raise OrderNotPayable(
            f"{order.id} is not charged again: {declines} attempts were declined."
        )
    account = _gateway_account(order.organization_id, method, token)
    _expect_no_capture_under_way(order)
    abandon_all(earlier, reason="another_payment", at=now)
    payment = Payment.open(
        order=order,
        method=method,
        amount=due,
        account=account,
        earlier_declines=declines,
        token=token,
        at=now,
    )
    payment.save()
    return payment


@unit_of_work()
def retry_payment(*, payment_id: str, token: str | None = None) -> Payment:
    """Make another attempt after a decline, with `token` if there is one.

    Raises OrderNotPayable, PaymentInProgress, UnknownSandboxToken, InvalidTransition.
    """
    payment = selectors.get_for_update(payment_id)
    if payment.status in Payment.OPEN and payment.latest_attempt.token == token:
        return payment
    _gateway_account(payment.organization_id, payment.method, token)
    if not is_still_due(payment.order):
        raise OrderNotPayable(f"Nothing is due for {payment.order_id}.")
    _expect_no_capture_under_way(payment.order)
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
def abandon_unneeded_payments(*, order_id: str) -> None:
    """The order is paid: stop waiting for its other payments."""
    payments = selectors.of_order_for_update(orders.selectors.get_for_update(order_id))
    abandon_all(payments, reason="order_paid", at=request_context.now())


@unit_of_work()
def capture_payment(*, payment_id: str, card_last4: str | None = None) -> Payment:
    """Record money that an operator has received.

    If the order is cancelled, the payments context refunds it. Raises InvalidTransition.
    """
    payment = selectors.get_for_update(payment_id)
    if payment.is_captured and payment.is_manual() and payment.card_last4 == card_last4:
        return payment
    payment.capture(
        is_still_due=is_still_due(payment.order), card_last4=card_last4, at=timezone.now()
    )
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
    order = payment.order
    payment.apply(is_still_due=is_still_due(order))
    if selectors.received(order) < order.total:  # it counts this payment already
        now, days = (
            timezone.now().replace(microsecond=0),
            selectors.manual_payment_days(order.organization_id),
        )
        payment.await_transfer(until=days_later(now, days, order.time_zone))
    payment.save()
    return payment


def abandon_all(payments: Iterable[Payment], *, reason: str, at: datetime) -> None:
    """Stop waiting for those of the payments that are not captured."""
    for payment in payments:
        if not payment.is_captured and payment.is_awaited():
            payment.abandon(reason=reason, at=at)
            payment.save()


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
