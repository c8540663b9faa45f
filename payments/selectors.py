"""Queries of payments. They never write."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Now, Round

import orders.selectors
from config.core import outbound
from config.core.clock import days_later
from config.core.money import MAX_DECIMALS, MoneyField
from config.core.unit_of_work import EVERYTHING, has_all
from payments.events import RefundPart
from payments.models import Payment, PaymentAccount, Refund
from payments.refund_parts import Refundable, total

if TYPE_CHECKING:
    from orders.events import PaidUnits
    from orders.models import Order

# Rounded, because SQLite adds in floating point.
_REFUNDED = Round(F("refunded") + F("refunding"), precision=MAX_DECIMALS)
# The operators' queues: payments that may be capturing money, and mismatched ones to decide about.
OUTCOME_OPEN = Q(blocks_expiry=True, paid_at=None) & ~Q(
    status=Payment.Status.AUTHORIZED, capture_amount=None
)
MISMATCHED = Q(
    status=Payment.Status.SUCCEEDED,
    applies_to_order=False,
    blocks_expiry=True,
    captured__gt=_REFUNDED,
)
# Money that came with another payment and is beyond what was due: pay it back.
SURPLUS = Q(surplus_of__isnull=False, captured__gt=_REFUNDED)
DISPUTED = Q(disputed_at__isnull=False)
AUTHORIZED = Q(status=Payment.Status.AUTHORIZED, capture_amount=None)
# What is owed for an order after the day it is due; without a day, once the order is delivered.
OVERDUE = Q(method=Payment.Method.ON_ACCOUNT, status=Payment.Status.PENDING) & (
    Q(payable_until__lt=Now()) | Q(payable_until=None, order__delivered_at__isnull=False)
)

BY_HAND = (Payment.Method.MANUAL, Payment.Method.EXTERNAL)
PAYING = Q(applies_to_order=True) | Q(method=Payment.Method.ON_ACCOUNT)


def with_parts() -> QuerySet[Payment]:
    """Return payments with their attempts and refunds."""
    return Payment.objects.prefetch_related("attempt_set", "refund_set")


def get(payment_id: str) -> Payment:
    """Return a payment with its attempts and refunds."""
    return with_parts().get(pk=payment_id)


def get_for_update(payment_id: str, visible: Q = EVERYTHING) -> Payment:
    """Return a payment; its order is locked until the transaction ends."""
    return orders.selectors.find_for_update(Payment, payment_id, visible)


def of_one_charge(payment: Payment) -> list[Payment]:
    """Return a payment, and those that have other parts of the money of its charge.

    That is a surplus, or what moved to the order that replaces the payment's. All are locked.
    """
    rows = Payment.objects.filter(
        organization_id=payment.organization_id,
        gateway_payment_id=payment.gateway_payment_id,
        method=payment.method,
    )
    others = rows.exclude(pk=payment.pk) if payment.gateway_payment_id else rows.none()
    return [payment, *map(get_for_update, others.order_by("id").values_list("pk", flat=True))]


def of_order_for_update(order: "Order") -> list[Payment]:
    """Return the payments of an order that is locked, oldest first."""
    return orders.selectors.of_order(Payment, order)


def of_order(order_id: str) -> list[Payment]:
    """Return an order's payments, oldest first."""
    return list(with_parts().filter(order=order_id).order_by("id"))


def are_read(order: "Order") -> bool:
    """Return whether the unit of work has read an order's payments, and may have changed them."""
    return has_all(Payment, order.pk)


def remaining(order: "Order") -> Decimal:
    """Return how much of an order can be refunded: see `refundable`."""
    captured = sum((each.refundable for each in applied_to(order)), Decimal(0))
    return captured + (owed(order) if on_account(order) else 0)


def applied_to(order: "Order") -> list[Payment]:
    """Return the payments that pay an order, latest first."""
    return [each for each in reversed(of_order_for_update(order)) if each.applies_to_order]


def on_account(order: "Order") -> Payment | None:
    """Return the payment that stands for what is due for an order confirmed before payment."""
    return next((each for each in of_order_for_update(order) if each.is_on_account), None)


def amount_due(order: "Order") -> Decimal:
    """Return what the customer still has to pay for an order; zero if it is cancelled."""
    return owed(order) if order.placed_at and not order.is_cancelled() else Decimal(0)


def owed(order: "Order") -> Decimal:
    """Return how much of an order's total is neither captured nor waived."""
    return max(Decimal(order.total - waived(order) - received(order)), Decimal(0))


def declines(order: "Order") -> int:
    """Return how many attempts to pay an order were declined, whichever payments made them."""
    return sum(payment.declines for payment in of_order_for_update(order))


def is_superfluous(payment: Payment) -> bool:
    """Return whether a capture would be too much as a whole: other payments pay the order."""
    order = payment.order
    return not (payment.is_captured or order.is_cancelled() or amount_due(order))


def payable(order: "Order") -> Decimal:
    """Return what is due for an order and no open or authorized payment may capture."""
    expected = sum(map(_expected, of_order_for_update(order)), Decimal(0))
    return max(amount_due(order) - expected, Decimal(0))


def _expected(payment: Payment) -> Decimal:
    """Return what a payment may still capture for its order; nothing if it is abandoned."""
    if payment.abandoned_at or payment.is_on_account:
        return Decimal(0)
    if payment.status == Payment.Status.AUTHORIZED and payment.capture_amount is not None:
        return Decimal(payment.capture_amount)
    is_awaited = payment.status in Payment.AWAITED or payment.is_outcome_open
    return Decimal(payment.amount) if is_awaited else Decimal(0)


def authorized(order: "Order") -> Decimal:
    """Return what the gateways reserve for an order and can still capture."""
    payments = of_order_for_update(order)
    reserved = (each for each in payments if each.status == Payment.Status.AUTHORIZED)
    return sum(map(_expected, reserved), Decimal(0))


def refunded_parts(order: "Order", *, cause: str | None = None) -> list[RefundPart]:
    """Return the parts of an order's refunds that have not failed; `cause` selects a return's.

    What was refunded before the confirmation is no part of what was sold: it was due again.
    """
    return [
        part
        for payment in of_order_for_update(order)
        if payment.applies_to_order or payment.is_on_account
        for refund in payment.refunds
        if refund.status != Refund.Status.FAILED
        and cause in (None, refund.cause)
        and not (order.confirmed_at and refund.requested_at < order.confirmed_at)
        for part in refund.parts
    ]


def being_captured(order: "Order") -> Decimal:
    """Return what was requested to be captured of the authorized payments of an order."""
    authorized = (
        each for each in of_order_for_update(order) if each.status == Payment.Status.AUTHORIZED
    )
    return sum((each.capture_amount or Decimal(0) for each in authorized), Decimal(0))


def find_refund(
    payment: Payment, refund_id: str | None, gateway_refund_id: str | None = None
) -> Refund | None:
    """Return a payment's refund by its id, here or at the gateway, or None."""
    ids = {refund_id, gateway_refund_id} - {None}
    found = (each for each in payment.refunds if {each.id, each.gateway_refund_id} & ids)
    return next(found, None)


def refundable_parts(order: "Order") -> Refundable:
    """Return what can be refunded of the lines and the shipping of an order that is locked."""
    return Refundable(order, refunded_parts(order))


def refundable_of_return(order: "Order", lines: Sequence["PaidUnits"], return_id: str) -> Decimal:
    """Return how much can be refunded for a return, `lines` being all its accepted units.

    Units that were refunded otherwise do not count.
    """
    value = sum((line.amount for line in lines), Decimal(0))
    earlier = refunded_parts(order, cause=return_id)
    parts = refundable_parts(order).returned(lines, value, earlier)
    return min(total(parts), remaining(order))


def may_be_capturing(order: "Order") -> bool:
    """Return whether a payment of an order may be capturing money."""
    return any(payment.is_outcome_open for payment in of_order_for_update(order))


def received(order: "Order") -> Decimal:
    """Return how much of an order's total was captured, including what was refunded since.

    What a gateway refunded before the order is confirmed does not count: it is due again.
    """
    return captured(order) if order.confirmed_at else captured(order) - refunded(order)


def captured(order: "Order") -> Decimal:
    """Return how much was captured by the payments that pay an order."""
    return sum((each.captured for each in applied_to(order)), Decimal(0))


def covered(order: "Order") -> Decimal:
    """Return how much of an order was received, or is authorized, if that confirms its orders."""
    found = received(order)
    if found < order.total and confirms_on_authorization(order.organization_id):
        found += authorized(order)
    return found


def is_secured(order: "Order") -> bool:
    """Return whether gateways have captured or reserve what is due for an order."""
    return bool(received(order) + authorized(order) >= order.total - waived(order))


def refunded(order: "Order") -> Decimal:
    """Return how much of what `received` counts was refunded."""
    payments = of_order_for_update(order)
    return sum((each.refunded for each in payments if each.applies_to_order), Decimal(0))


def was_invoiced(refund_id: str) -> bool:
    """Return whether a refund is of what was sold, or is still due for it.

    It is not if its payment does not pay the order, or if it was made before the confirmation.
    """
    before = Q(requested_at__lt=F("payment__order__confirmed_at"))
    paying = Payment.objects.filter(PAYING)
    return Refund.objects.exclude(before).filter(pk=refund_id, payment__in=paying).exists()


class RefundTotals(NamedTuple):
    """The refunds with one cause: the amounts, and the method and time of the latest."""

    requested: Decimal  # in all, also the failed ones
    pending: Decimal
    succeeded: Decimal
    method: str | None
    settled_at: datetime | None


def refunds_caused_by(cause: str, order: "Order") -> RefundTotals:
    """Return the totals of the refunds that a return of an order requested; `cause` is its id."""
    found = (refund for payment in of_order_for_update(order) for refund in payment.refunds)
    refunds = [refund for refund in found if refund.cause == cause]
    done = [refund for refund in refunds if refund.status == Refund.Status.SUCCEEDED]
    latest = max(done, key=attrgetter("settled_at"), default=None)
    pending = (refund.amount for refund in refunds if refund.is_pending)
    return RefundTotals(
        requested=sum((refund.amount for refund in refunds), Decimal(0)),
        pending=sum(pending, Decimal(0)),
        succeeded=sum((refund.amount for refund in done), Decimal(0)),
        method=latest.method if latest else None,
        settled_at=latest.settled_at if latest else None,
    )


def has_money(order: "Order", *, moving: Decimal = Decimal(0)) -> bool:
    """Return whether captured money of an order is not refunded, and not `moving` to another."""
    payments = of_order_for_update(order)
    kept = sum((each.captured - each.refunded for each in payments), Decimal(0))
    movable = sum((each.refundable for each in applied_to(order)), Decimal(0))
    return kept > min(moving, movable)


def may_still_be_paid(order: "Order") -> bool:
    """Return whether an order is paid, or one of its payments may succeed or be applied."""
    return received(order) >= order.total or any(
        _expected(payment) or payment.is_outcome_open or _is_undecided(payment)
        for payment in of_order_for_update(order)
    )


def waived(order: "Order") -> Decimal:
    """Return how much of an order's total is not due any more, though nothing was paid for it."""
    owed = on_account(order)
    return Decimal(owed.waived) if owed else Decimal(0)


def is_disputed(order: "Order") -> bool:
    """Return whether a dispute about a payment of an order is open."""
    return any(payment.disputed_at for payment in of_order_for_update(order))


def disputed() -> Exists:
    """Return, for a query of orders, whether a dispute about a payment is open."""
    return Exists(Payment.objects.filter(order=OuterRef("pk"), disputed_at__isnull=False))


def mismatched(order: "Order") -> str | None:
    """Return the id of a payment of an order whose mismatched capture is to be decided about."""
    undecided = (payment.id for payment in of_order_for_update(order) if _is_undecided(payment))
    return next(undecided, None)


def _is_undecided(payment: Payment) -> bool:
    """Return whether an operator has to decide about a mismatched capture, as in `MISMATCHED`."""
    is_mismatched = payment.status == Payment.Status.SUCCEEDED and not payment.applies_to_order
    return bool(is_mismatched and payment.blocks_expiry and payment.refundable > 0)


def blocks_expiry(now: datetime) -> Exists:
    """Return, for a query of orders, whether a payment blocks the order's expiry at `now`."""
    return Exists(
        Payment.objects.filter(
            Q(blocks_expiry=True) | Q(status__in=Payment.OPEN, blocks_expiry_until__gt=now),
            order=OuterRef("pk"),
        )
    )


def sum_of(amount: str | Combinable, *, order: str = "pk", of: Q = PAYING) -> Coalesce:
    """Return, for a query, the sum of an amount over the payments that pay the row's order.

    `order` is the column with the order's id.
    """
    rows = Payment.objects.filter(of, order=OuterRef(order)).order_by()
    total = rows.values("order").annotate(total=Sum(amount)).values("total")
    return Coalesce(Subquery(total), Decimal(0), output_field=MoneyField())


def sum_of_authorized() -> Coalesce:
    """Return, for a query of orders, what the gateways reserve: see `authorized`."""
    amount = Coalesce(F("capture_amount"), F("amount"))
    return sum_of(amount, of=Q(status=Payment.Status.AUTHORIZED))


def refundable(*, order: str) -> Round:
    """Return, for a query, how much of the row's order can be refunded, or is still due."""
    rest = sum_of(F("captured") - F("refunded") - F("refunding") + F("outstanding"), order=order)
    return Round(rest, precision=MAX_DECIMALS)  # SQLite adds in floating point


def due(*, now: datetime | Now) -> QuerySet[Payment]:
    """Return payments whose gateway is to be called at `now`."""
    return Payment.objects.filter(outbound.is_due(now))


def with_failed_refunds() -> Q:
    """Return, for a query of payments, whether a refund failed and its amount is still left.

    A withdrawn refund counts if the order is cancelled, because the shop then owes all its money.
    """
    failed = Refund.objects.filter(payment=OuterRef("pk"), status=Refund.Status.FAILED)
    is_cancelled = Q(payment__order__status="cancelled")
    failed = failed.filter(is_cancelled | ~Q(error_code=Refund.WITHDRAWN))
    return Q(Exists(failed)) & Q(captured__gt=_REFUNDED)


def with_manual_refunds() -> Exists:
    """Return, for a query of payments, whether an operator has to pay a refund out."""
    manual = Refund.objects.filter(
        ~Q(method=Refund.Method.ORIGINAL_PAYMENT) | Q(payment__method__in=BY_HAND),
        payment=OuterRef("pk"),
        status=Refund.Status.PENDING,
    )
    return Exists(manual)


def stripe_account(organization_id: str) -> str | None:
    """Return the connected account that receives an organization's card payments."""
    return account(organization_id).stripe_account


def account(organization_id: str) -> PaymentAccount:
    """Return an organization's account and rules, or the defaults."""
    found = PaymentAccount.objects.filter(pk=organization_id).first()
    return found or PaymentAccount(organization_id=organization_id)


def confirms_on_authorization(organization_id: str) -> bool:
    """Return whether the organization confirms orders whose amount is authorized."""
    return account(organization_id).confirm_on_authorization


def is_offered(organization_id: str, payment_method: str) -> bool:
    """Return whether customers of the organization may pay after confirmation, by this method."""
    rules = account(organization_id)
    is_invoice = payment_method == "invoice"
    return rules.invoice_days is not None if is_invoice else rules.cash_on_delivery


def payable_until(order: "Order") -> datetime | None:
    """Return until when an order that was confirmed before its payment is to be paid."""
    days = account(order.organization_id).invoice_days
    if order.payment_method != order.PaymentMethod.INVOICE or days is None:
        return None
    assert order.confirmed_at, "it is confirmed"
    return days_later(order.confirmed_at, days, order.time_zone)


def transfer_deadline(payment: Payment) -> datetime:
    """Return until when an order waits for a bank transfer, in whole seconds, as in events.

    An order that waits for as many days already, because the customer chose this method before or
    started an earlier payment with it, waits no longer.
    """
    order, days = payment.order, manual_payment_days(payment.organization_id)
    assert order.placed_at, "only a placed order has payments"
    assert order.reservation_expires_at, "and it expires"
    if order.reservation_expires_at >= days_later(order.placed_at, days, order.time_zone):
        return order.reservation_expires_at
    until = days_later(payment.created_at, days, order.time_zone)
    return (until + timedelta(seconds=1)).replace(microsecond=0)


def manual_payment_days(organization_id: str) -> int:
    """Return how many days an order of the organization waits for a bank transfer."""
    return account(organization_id).manual_payment_days or settings.MANUAL_PAYMENT_DAYS
