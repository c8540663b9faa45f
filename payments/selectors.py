"""Reading payments. Nothing here writes."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Round

from config.core import outbound
from config.core.money import MAX_DECIMALS, MoneyField
from payments.models import Payment, PaymentAccount, Refund

# Payments that wait for somebody: of which nobody knows yet whether the money has come, of which
# something else came than was asked for, or that cannot be given back as it was meant to.
OUTCOME_OPEN = Q(keeps_order=True, paid_at=None)
MISMATCHED = Q(status=Payment.Status.SUCCEEDED, counts=False, keeps_order=True)


def with_parts() -> QuerySet[Payment]:
    """Return payments to show or to change, with their attempts and refunds."""
    return Payment.objects.prefetch_related("attempts", "refunds")


def get(payment_id: str) -> Payment:
    """Return a payment to show."""
    return with_parts().get(pk=payment_id)


def of_order(order_id: str) -> list[Payment]:
    """Return an order's payments, oldest first."""
    return list(with_parts().filter(order=order_id).order_by("id"))


def has_money_on_its_way(order_id: str) -> bool:
    """Return whether it is not known yet if money of an order has come."""
    return Payment.objects.filter(OUTCOME_OPEN, order=order_id).exists()


def first_asked_by_hand(order_id: str) -> datetime:
    """Return when a transfer was first asked for, from when on an order waits for it."""
    by_hand = Payment.objects.filter(order=order_id, method=Payment.Method.MANUAL)
    first: datetime = by_hand.order_by("id").values_list("created_at", flat=True)[0]
    return first


def received(order_id: str) -> Decimal:
    """Return what has come towards an order's total, whatever was given back since."""
    counting = Payment.objects.filter(order=order_id, counts=True)
    return sum(counting.values_list("captured", flat=True), Decimal(0))


def refundable(order_id: str) -> Decimal:
    """Return what is left of the money that counts towards an order's total."""
    counting = Payment.objects.filter(order=order_id, counts=True)
    return sum((payment.refundable for payment in counting), Decimal(0))


class Caused(NamedTuple):
    """What became of the refunds that one thing has asked for; the latest is told of."""

    requested: Decimal  # in all, whatever became of it
    pending: Decimal
    succeeded: Decimal
    method: str | None
    settled_at: datetime | None


def caused_by(cause: str) -> Caused:
    """Return what became of the refunds that `cause` has asked for, by its id."""
    refunds = list(Refund.objects.filter(cause=cause).order_by("settled_at"))
    done = [refund for refund in refunds if refund.status == Refund.Status.SUCCEEDED]
    latest = done[-1] if done else None
    pending = (refund.amount for refund in refunds if refund.status == Refund.Status.PENDING)
    return Caused(
        requested=sum((refund.amount for refund in refunds), Decimal(0)),
        pending=sum(pending, Decimal(0)),
        succeeded=sum((refund.amount for refund in done), Decimal(0)),
        method=latest.method if latest else None,
        settled_at=latest.settled_at if latest else None,
    )


def counts(payment_id: str) -> bool:
    """Return whether a payment's money counts towards its order's total."""
    return Payment.objects.filter(pk=payment_id, counts=True).exists()


def has_money(order_id: str) -> bool:
    """Return whether something was captured for an order and not refunded."""
    return Payment.objects.filter(order=order_id, captured__gt=F("refunded")).exists()


def may_yet_be_paid(order_id: str) -> bool:
    """Return whether a payment of an order has succeeded, or still may."""
    hopeful = Q(status__in=(*Payment.OPEN, Payment.Status.SUCCEEDED)) | Q(keeps_order=True)
    return Payment.objects.filter(hopeful, order=order_id).exists()


def keeping(now: datetime) -> Exists:
    """Say, in a query of orders, whether one waits for money that may be on its way at `now`."""
    return Exists(
        Payment.objects.filter(
            Q(keeps_order=True) | Q(status__in=Payment.OPEN, keeps_order_until__gt=now),
            order=OuterRef("pk"),
        )
    )


def sum_of(column: str) -> Coalesce:
    """Add up a column of the counting payments, in a query of orders."""
    counting = Payment.objects.filter(order=OuterRef("pk"), counts=True).order_by()
    total = counting.values("order").annotate(total=Sum(column)).values("total")
    return Coalesce(Subquery(total), Decimal(0), output_field=MoneyField())


def due(*, now: datetime) -> QuerySet[Payment]:
    """Return payments about which a gateway is to be asked something at `now`."""
    return Payment.objects.filter(outbound.is_due(now)).order_by("due_at")


def with_failed_refunds() -> Q:
    """Say, in a query of payments, whether money could not be given back, and still is here."""
    failed = Refund.objects.filter(payment=OuterRef("pk"), status=Refund.Status.FAILED)
    failed = failed.exclude(error_code=Refund.WITHDRAWN)
    # Rounded, because SQLite adds with floats.
    back = Round(F("refunded") + F("refunding"), precision=MAX_DECIMALS)
    return Q(Exists(failed)) & Q(captured__gt=back)


def with_refunds_by_hand() -> Exists:
    """Say, in a query of payments, whether an operator has to give money back."""
    by_hand = Refund.objects.filter(
        ~Q(method=Refund.Method.ORIGINAL_PAYMENT) | Q(payment__method=Payment.Method.MANUAL),
        payment=OuterRef("pk"),
        status=Refund.Status.PENDING,
    )
    return Exists(by_hand)


def stripe_account(organization_id: str) -> str | None:
    """Return the connected account that takes an organization's card payments."""
    account = PaymentAccount.objects.filter(pk=organization_id).first()
    return account.stripe_account if account else None


def manual_payment_days(organization_id: str) -> int:
    """Return how many days an order of the organization waits for a transfer."""
    account = PaymentAccount.objects.filter(pk=organization_id).first()
    own = account.manual_payment_days if account else None
    return own or settings.MANUAL_PAYMENT_DAYS
