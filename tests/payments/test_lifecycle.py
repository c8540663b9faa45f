"""Every state of a payment against everything that can be asked of it."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from payments import services
from payments.gateways import Charge, Payout
from payments.models import Payment
from payments.services import answers
from payments.services.locks import lock_payment, save
from tests import factories
from tests.factories import PaymentFactory
from tests.facts import mark, told
from tests.states import NO, STANDS, ask, column

pytestmark = pytest.mark.django_db

STATES = [str(status) for status in Payment.Status]


def hear(payment, *, asked=None, **charge):
    """What the gateway says of it, by whatever way that comes."""
    payment = lock_payment(payment.id)
    charge = {"gateway_payment_id": "g_1", "charge_id": "ch_new", **charge}
    answers.take_charge(payment, Charge(**charge), now=payment.created_at, asked=asked)
    save(payment)


def capture_of(payment, amount):
    return {"state": "succeeded", "amount": amount, "currency": payment.currency}


COMMANDS = {
    "retry": lambda p: services.retry_payment(payment_id=p.id, token="tok_ok"),
    "capture": lambda p: services.capture_payment(payment_id=p.id),
    "refund a part": lambda p: services.request_refund(
        payment_id=p.id, amount=Decimal(10), reason="operator"
    ),
    "be answered": lambda p: hear(p, state="waiting", asked="attempt"),
    "hear waiting": lambda p: hear(p, state="waiting"),
    "hear processing": lambda p: hear(p, state="processing"),
    "hear succeeded": lambda p: hear(p, **capture_of(p, p.amount)),
    "hear another amount": lambda p: hear(p, **capture_of(p, p.amount + 1)),
    "hear declined": lambda p: hear(p, state="declined", error_code="c", error_message="m"),
    "hear cancelled": lambda p: hear(p, state="cancelled"),
    "cancel the order": lambda p: services.refund_cancelled_order(order_id=p.order_id),
}
PENDING, GONE = "payment.pending", "payment.abandoned"
CAME, OTHER = "payment.succeeded", "payment.mismatched"
# What is asked: the answer in each state, in their order; or what happens, and the state after.
TABLE = {
    #  opening, pending, succeeded, failed, refunded
    "retry": [STANDS, NO, NO, ("opening", ["payment.opened"]), NO],
    "capture": [NO] * 5,  # a gateway says itself when it has the money
    "refund a part": [NO, NO, ("same", ["refund.requested"]), NO, NO],
    "be answered": [("pending", [PENDING]), *[STANDS] * 4],
    "hear waiting": [STANDS] * 5,
    "hear processing": [STANDS] * 5,
    "hear succeeded": [
        ("succeeded", [PENDING, CAME]),
        ("succeeded", [CAME]),
        STANDS,
        ("succeeded", [PENDING, CAME]),
        STANDS,
    ],
    "hear another amount": [
        ("succeeded", [PENDING, OTHER]),
        ("succeeded", [OTHER]),
        STANDS,
        ("succeeded", [PENDING, OTHER]),
        STANDS,
    ],
    "hear declined": [
        ("failed", [PENDING, "payment.failed"]),
        ("failed", ["payment.failed"]),
        STANDS,
        ("same", [PENDING, "payment.failed"]),
        STANDS,
    ],
    "hear cancelled": [("failed", [GONE]), ("failed", [GONE]), STANDS, ("same", [GONE]), STANDS],
    "cancel the order": [
        ("failed", [GONE]),
        ("failed", [GONE]),
        ("same", ["refund.requested"]),
        ("same", [GONE]),
        STANDS,
    ],
}


@pytest.mark.parametrize("state", STATES)
def test_state_and_command(state, subtests):
    ask(PaymentFactory(status=state), COMMANDS, column(TABLE, STATES.index(state)), subtests)


def test_the_table_knows_every_transition():
    """Those that it does not show settle refunds; their tests are in test_refunds."""
    moves = [cell for row in TABLE.values() for cell in row if isinstance(cell, tuple)]
    emitted = {name for _, names in moves for name in names}
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
def test_the_database_too_counts_no_cent_twice(change):
    payment = PaymentFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        Payment.objects.raw(
            f"UPDATE payments_payment SET {change} WHERE id = %s RETURNING id", [payment.id]
        )[0]


def test_the_database_too_keeps_one_open_payment_for_an_order():
    payment = PaymentFactory(status="pending")
    with pytest.raises(IntegrityError), transaction.atomic():
        Payment.open(
            organization_id="org_1",
            order=payment.order,
            method="sandbox",
            amount=payment.amount,
            currency="USD",
            token=None,
            at=payment.created_at,
        ).save()


def test_a_payout_moves_a_settled_refund_no_more():
    payment = PaymentFactory()
    refund = factories.refund(payment, 10)
    for state in ("pending", "succeeded"):
        locked, before = lock_payment(payment.id), mark()
        answers.take_payout(
            locked, locked.givebacks[0], Payout(state=state), now=payment.created_at
        )
        save(locked)
        assert told(payment.order, after=before) == []
    refund.refresh_from_db()
    assert refund.status == "succeeded"
