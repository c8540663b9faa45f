"""Every status of a payment, with every command and every result of the gateway."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from config.core.unit_of_work import unit_of_work
from payments import selectors
from payments.gateways import RefundResult
from payments.models import Payment
from payments.services import capture, refunds
from payments.services.gateway_results import apply_refund_result
from tests import factories
from tests.factories import PaymentFactory
from tests.log import event_names, latest_number
from tests.payments.flows import captured, report
from tests.states import UNCHANGED, check_outcomes, outcomes

pytestmark = pytest.mark.django_db

COMMANDS = {
    "retry": lambda p: capture.retry_payment(payment_id=p.id, token="tok_ok"),
    "capture": lambda p: capture.capture_payment(payment_id=p.id),
    "apply": lambda p: capture.apply_payment(payment_id=p.id),
    "refund a part": lambda p: refunds.request_refund(
        payment_id=p.id, amount=Decimal(10), reason="operator"
    ),
    "the call returns waiting": lambda p: report(p, state="waiting", source="attempt"),
    "waiting": lambda p: report(p, state="waiting"),
    "processing": lambda p: report(p, state="processing"),
    "succeeded": lambda p: report(p, **captured(p, p.amount)),
    "succeeded with another amount": lambda p: report(p, **captured(p, p.amount + 1)),
    "declined": lambda p: report(p, state="declined", error_code="c", error_message="m"),
    "cancelled": lambda p: report(p, state="cancelled"),
    "cancel the order": lambda p: refunds.refund_cancelled_order(order_id=p.order_id),
}
PENDING, FAILED, ABANDONED = "payment.pending", "payment.failed", "payment.abandoned"
SUCCEEDED, MISMATCHED = "payment.succeeded", "payment.mismatched"
# The outcome of each command by status, or the status after it and its events; else it is refused.
IGNORED = dict.fromkeys(Payment.Status.values, UNCHANGED)
ENDED = {"succeeded": UNCHANGED, "refunded": UNCHANGED}
TABLE = {
    "retry": {"opening": UNCHANGED, "failed": ("opening", ["payment.opened"])},
    "capture": {},  # the gateway reports its captures itself
    "apply": {},  # only a mismatched capture: see test_mismatches
    "refund a part": {"succeeded": ("same", ["refund.requested"])},
    "the call returns waiting": IGNORED | {"opening": ("pending", [PENDING])},
    "waiting": IGNORED,
    "processing": IGNORED,
    "succeeded": ENDED
    | {
        "opening": ("succeeded", [PENDING, SUCCEEDED]),
        "pending": ("succeeded", [SUCCEEDED]),
        "failed": ("succeeded", [PENDING, SUCCEEDED]),
    },
    "succeeded with another amount": ENDED
    | {
        "opening": ("succeeded", [PENDING, MISMATCHED]),
        "pending": ("succeeded", [MISMATCHED]),
        "failed": ("succeeded", [PENDING, MISMATCHED]),
    },
    "declined": ENDED
    | {
        "opening": ("failed", [PENDING, FAILED]),
        "pending": ("failed", [FAILED]),
        "failed": ("same", [PENDING, FAILED]),
    },
    "cancelled": ENDED
    | {
        "opening": ("failed", [ABANDONED]),
        "pending": ("failed", [ABANDONED]),
        "failed": ("same", [ABANDONED]),
    },
    "cancel the order": {
        "opening": ("failed", [ABANDONED]),
        "pending": ("failed", [ABANDONED]),
        "succeeded": ("same", ["refund.requested"]),
        "failed": ("same", [ABANDONED]),
        "refunded": UNCHANGED,
    },
}


@pytest.mark.parametrize("status", Payment.Status.values)
def test_status_and_command(status, subtests):
    check_outcomes(PaymentFactory(status=status), COMMANDS, outcomes(TABLE, status), subtests)


def test_the_table_contains_every_transition():
    """The transitions that settle refunds are tested in test_refunds."""
    rows = [outcome for row in TABLE.values() for outcome in row.values()]
    emitted = {name for outcome in rows if isinstance(outcome, tuple) for name in outcome[1]}
    settling = {"refund.succeeded", "refund.failed"}
    assert {row.emits.name for row in Payment.transitions()} == emitted | settling


@pytest.mark.parametrize(
    "change",
    [
        "refunded = 50.01",
        "refunding = 50.01",
        "refunded = 25, refunding = 25.01",
        "captured = 0",
        "status = 'pending'",
        "paid_at = null",
        "refunded = -1",
    ],
)
def test_the_database_refuses_inconsistent_amounts(change):
    payment = PaymentFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        Payment.objects.raw(
            f"UPDATE payments_payment SET {change} WHERE id = %s RETURNING id", [payment.id]
        )[0]


def test_the_database_refuses_a_second_open_payment_of_an_order():
    payment = PaymentFactory(status="pending")
    with pytest.raises(IntegrityError), transaction.atomic():
        Payment.open(
            order=payment.order,
            method="sandbox",
            amount=payment.amount,
            token=None,
            at=payment.created_at,
        ).save()


def test_a_result_does_not_change_a_settled_refund():
    payment = PaymentFactory()
    refund = factories.refund(payment, 10)
    for state in ("pending", "succeeded"):
        with unit_of_work():
            locked, before = selectors.get_for_update(payment.id), latest_number()
            result = RefundResult(state=state)
            apply_refund_result(locked, locked.refunds[0], result, now=payment.created_at)
            locked.save()
        assert event_names(payment.order, after=before) == []
    refund.refresh_from_db()
    assert refund.status == "succeeded"
