"""The refunds of any returns add up to the paid price."""

from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders.models import OrderItem
from payments import selectors as payments
from returns import selectors
from returns.models import Return
from tests.factories import OrderFactory, order_of, write_off
from tests.returns.factories import SEVEN, approve, close, pay_out, receive, refund, request

pytestmark = pytest.mark.django_db

PAID = Decimal("46.67")


def send_back(order, data, *, may_reject):
    """Return all units in a random number of returns and receipts."""
    remaining = 7
    while remaining:
        row = request(order, data.draw(st.integers(1, remaining), label="requested"))
        approve(row)
        while (row := selectors.get(row.id)).status == "approved":
            if row.receipts.all() and data.draw(st.booleans(), label="cut short"):
                close(row)
            else:
                quantity = data.draw(st.integers(1, row.outstanding_quantity), label="received")
                accepted = not (may_reject and data.draw(st.booleans(), label="not accepted"))
                receive(row, quantity, accepted=accepted)
                remaining -= quantity
        if row.max_refund:
            refund(row)
    pay_out(row)


def example(order, data, *, may_reject):
    with transaction.atomic():
        send_back(order, data, may_reject=may_reject)
        rows = list(Return.objects.filter(order=order).prefetch_related("items"))
        units = [
            number
            for row in rows
            for line in row.lines
            for number in row.reserved_unit_numbers(line)
        ]
        assert sorted(units) == [1, 2, 3, 4, 5, 6, 7], "every unit was returned once"
        refunded = sum(row.refunded_amount for row in rows)
        assert refunded == sum(row.accepted_value for row in rows)
        [payment] = payments.of_order(order.id)
        assert payment.refunded == refunded
        transaction.set_rollback(True)
    return refunded


SETTINGS = settings(
    max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


@pytest.fixture
def order():
    return OrderFactory(**SEVEN)


@given(data=st.data())
@SETTINGS
def test_refunds_add_up_to_the_paid_price(order, data):
    assert example(order, data, may_reject=False) == PAID


@given(data=st.data())
@SETTINGS
def test_units_that_are_not_accepted_are_not_refunded(order, data):
    assert example(order, data, may_reject=True) <= PAID


def test_written_off_and_other_units_add_up_to_the_line():
    order = OrderFactory(**SEVEN | {"status": "processing"})
    write_off(order, 0, 3)
    [line] = OrderItem.objects.filter(order=order)
    assert line.paid_for(range(1, 5)) + line.paid_for_written_off(3) == PAID


def test_a_unit_has_a_fixed_price():
    [line] = order_of(3).lines
    assert [line.paid_for([n]) for n in (1, 2, 3)] == [25, 25, 25]
    assert line.paid_for([]) == 0
