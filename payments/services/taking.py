"""Asking for money, and recording that it has come."""

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

import orders.selectors
from config.core.exceptions import Conflict, DomainError
from payments import selectors
from payments.gateways.sandbox import TOKENS
from payments.models import Payment
from payments.services.answers import is_wanted
from payments.services.locks import lock_payment, lock_payments, save

Method = Payment.Method


class NotPayable(Conflict):
    """Nothing is due for the order now."""

    code = "not_payable"


class PaymentOpen(Conflict):
    """Money for the order may be on its way: wait for its outcome."""

    code = "payment_open"


class MethodUnavailable(DomainError):
    """The organization cannot take money this way."""

    code = "method_unavailable"


class UnknownToken(DomainError):
    """The sandbox does what its tokens say, and knows no others."""

    code = "unknown_token"


@transaction.atomic
def start_payment(*, order_id: str, method: str, token: str | None = None) -> Payment:
    """Ask for what is due; if that is being asked already, return the payment as it is.

    `token` is how the customer pays, as the gateway has named it. What was asked for otherwise is
    given up, unless its money may be on its way. Raises NotPayable, PaymentOpen,
    MethodUnavailable, UnknownToken.
    """
    order = orders.selectors.get_for_update(order_id)
    now = timezone.now()
    if order.status != order.Status.PLACED:
        raise NotPayable(f"Nothing is due for {order.id}: it is {order.status}.")
    before = [payment for payment in lock_payments(order) if not payment.is_captured]
    for payment in before:
        is_same = payment.method == method and token in (None, payment.attempt.token)
        if is_same and payment.status in Payment.OPEN:
            return payment
    due = order.total - selectors.received(order.id)
    if due <= 0:
        raise NotPayable(f"{order.id} is paid, and about to be confirmed.")
    account = _account(order.organization_id, method, token)
    _expect_no_money_on_its_way(order.id)
    abandon(before, reason="another_payment", at=now)
    payment = Payment.open(
        organization_id=order.organization_id,
        order=order,
        method=method,
        amount=due,
        currency=order.currency,
        account=account,
        token=token,
        at=now,
    )
    save(payment)
    return payment


@transaction.atomic
def retry_payment(*, payment_id: str, token: str | None = None) -> Payment:
    """Try once more to take what the gateway has declined, with `token` if there is one.

    Raises NotPayable, PaymentOpen, UnknownToken, InvalidTransition.
    """
    payment = lock_payment(payment_id)
    if payment.status in Payment.OPEN and payment.attempt.token == token:
        return payment
    _account(payment.organization_id, payment.method, token)
    if not is_wanted(payment.order):
        raise NotPayable(f"Nothing is due for {payment.order_id}.")
    _expect_no_money_on_its_way(payment.order_id)
    payment.retry(token=token, at=timezone.now())
    save(payment)
    return payment


@transaction.atomic
def abandon_payment(*, payment_id: str) -> Payment:
    """Wait no more for a payment; if its money comes all the same, it counts or goes back.

    Raises InvalidTransition for one that has come.
    """
    payment = lock_payment(payment_id)
    if payment.is_captured or payment.is_waited_for():
        payment.abandon(reason="operator", at=timezone.now())
        save(payment)
    return payment


@transaction.atomic
def abandon_unneeded(*, order_id: str) -> None:
    """The order is paid: what else was asked for it nobody needs any more."""
    payments = lock_payments(orders.selectors.get_for_update(order_id))
    abandon(payments, reason="order_paid", at=timezone.now())


@transaction.atomic
def capture_payment(*, payment_id: str, card_last4: str | None = None) -> Payment:
    """Record money that came by hand, for a cancelled order too: it is given back then."""
    payment = lock_payment(payment_id)
    if payment.is_captured and payment.is_manual() and payment.card_last4 == card_last4:
        return payment
    wanted = is_wanted(payment.order)
    payment.capture(is_wanted=wanted, card_last4=card_last4, at=timezone.now())
    save(payment)
    return payment


def abandon(payments: Iterable[Payment], *, reason: str, at: datetime) -> None:
    """Wait no more for what has not come."""
    for payment in payments:
        if not payment.is_captured and payment.is_waited_for():
            payment.abandon(reason=reason, at=at)
            save(payment)


def _expect_no_money_on_its_way(order_id: str) -> None:
    if selectors.has_money_on_its_way(order_id):
        raise PaymentOpen(f"Money for {order_id} may be on its way: wait for its outcome.")


def _account(organization_id: str, method: str, token: str | None) -> str | None:
    """Return the organization's account at the gateway. Raises MethodUnavailable, UnknownToken."""
    if method == Method.SANDBOX:
        if not settings.PAYMENT_SANDBOX:
            raise MethodUnavailable("The sandbox is off: PAYMENT_SANDBOX=true turns it on.")
        if token is not None and token not in TOKENS:
            raise UnknownToken(f"The sandbox has no {token}; it has {', '.join(TOKENS)}.")
    if method != Method.STRIPE:
        return None
    account = selectors.stripe_account(organization_id)
    if not (account and settings.STRIPE_API_KEY):
        raise MethodUnavailable(
            f"{organization_id} takes no card payments yet: STRIPE_API_KEY and its account at "
            "Stripe have to be set."
        )
    return account
