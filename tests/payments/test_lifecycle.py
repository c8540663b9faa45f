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

AUTHORIZED_RESULT = {"state": "authorized", "currency": "USD"}
COMMANDS = {
    "retry": lambda p: capture.retry_payment(payment_id=p.id, token="tok_ok"),
    "capture": lambda p: capture.capture_payment(payment_id=p.id),
    "void": lambda p: capture.void_payment(payment_id=p.id),
    "apply": lambda p: capture.apply_payment(payment_id=p.id),
    "refund a part": lambda p: refunds.request_refund(
        payment_id=p.id, amount=Decimal(10), reason="operator"
    ),
    "the call returns waiting": lambda p: report(p, state="waiting", source="attempt"),
    "waiting": lambda p: report(p, state="waiting"),
    "processing": lambda p: report(p, state="processing"),
    "authorized": lambda p: report(p, **AUTHORIZED_RESULT, amount=p.amount),
    "the call is refused": lambda p: report(
        p, state="refused", error_code="c", error_message="m", source="attempt"
    ),
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
AUTHORIZED, VOIDED = "payment.authorized", "payment.voided"
TABLE = {
    "retry": {"opening": UNCHANGED, "failed": ("opening", ["payment.opened"])},
    # Otherwise the gateway reports its captures itself.
    "capture": {"authorized": ("same", ["payment.capture_requested"])},
    "void": {"authorized": ("failed", [VOIDED])},
    "apply": {},  # only a mismatched capture: see test_mismatches
    "refund a part": {"succeeded": ("same", ["refund.requested"])},
    "the call returns waiting": IGNORED | {"opening": ("pending", [PENDING])},
    "waiting": IGNORED,
    "processing": IGNORED,
    "authorized": ENDED
    | {
        "opening": ("authorized", [PENDING, AUTHORIZED]),
        "pending": ("authorized", [AUTHORIZED]),
        "authorized": UNCHANGED,
        "failed": ("authorized", [PENDING, AUTHORIZED]),
    },
    "the call is refused": IGNORED
    | {
        "opening": ("failed", ["payment.refused"]),
        "pending": ("failed", ["payment.refused"]),
        "authorized": ("same", ["payment.refused"]),
    },
    "succeeded": ENDED
    | {
        "opening": ("succeeded", [PENDING, SUCCEEDED]),
        "pending": ("succeeded", [SUCCEEDED]),
        "authorized": ("succeeded", [SUCCEEDED]),
        "failed": ("succeeded", [PENDING, SUCCEEDED]),
    },
    "succeeded with another amount": ENDED
    | {
        "opening": ("succeeded", [PENDING, MISMATCHED]),
        "pending": ("succeeded", [MISMATCHED]),
        "authorized": ("succeeded", [MISMATCHED]),
        "failed": ("succeeded", [PENDING, MISMATCHED]),
    },
    "declined": ENDED
    | {
        "opening": ("failed", [PENDING, FAILED]),
        "pending": ("failed", [FAILED]),
        "authorized": ("failed", [FAILED]),
        "failed": ("same", [PENDING, FAILED]),
    },
    "cancelled": ENDED
    | {
        "opening": ("failed", [ABANDONED]),
        "pending": ("failed", [ABANDONED]),
        "authorized": ("failed", [VOIDED]),
        "failed": ("same", [ABANDONED]),
    },
    "cancel the order": {
        "opening": ("failed", [ABANDONED]),
        "pending": ("failed", [ABANDONED]),
        "authorized": ("failed", [VOIDED]),
        "succeeded": ("same", ["refund.requested"]),
        "failed": ("same", [ABANDONED]),
        "refunded": UNCHANGED,
    },
}


# No gateway reports about a payment on account: see test_on_account.
@pytest.mark.parametrize("status", [each for each in Payment.Status.values if each != "closed"])
def test_status_and_command(status, subtests):
    check_outcomes(PaymentFactory(status=status), COMMANDS, outcomes(TABLE, status), subtests)


def test_the_table_contains_every_transition():
    """Settling refunds is tested in test_refunds, surplus and terms in test_several_payments."""
    rows = [outcome for row in TABLE.values() for outcome in row.values()]
    emitted = {name for outcome in rows if isinstance(outcome, tuple) for name in outcome[1]}
    settling = {"refund.succeeded", "refund.failed"}
    others = {"payment.surplus_received", "payment.deferred", "payment.closed", "payment.moved"}
    others |= {"payment.disputed", "payment.dispute_ended"}
    assert {row.emits.name for row in Payment.transitions()} == emitted | settling | others


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
