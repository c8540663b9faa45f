"""Two who do the same thing at the same moment: one effect, and the other is told."""

import pytest

from config.core.exceptions import DomainError
from fulfillment import selectors, services
from orders import services as orders
from tests.factories import write_off
from tests.facts import mark, told
from tests.fulfillment.factories import PACKAGE, fulfillments, order_in, pick, pick_all, reach
from tests.parallel import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def started(quantity=3):
    return reach(fulfillments(order_in({"wh_1": quantity}))[0], "started")


def outcome(answers):
    """How many were accepted; every refusal must be one that says why."""
    refused = [answer for answer in answers if isinstance(answer, Exception)]
    assert all(isinstance(answer, DomainError) for answer in refused), refused
    return len(answers) - len(refused)


def test_two_pickers_start_one_of_them_is_told():
    fulfillment = fulfillments(order_in({"wh_1": 3}))[0]
    answers = at_once(
        2,
        lambda n: (
            services.start_fulfillment(
                fulfillment_id=fulfillment.id, assigned_to=f"picker_{n}"
            ).assigned_to
        ),
    )
    assert outcome(answers) == 1
    assert told(fulfillment.order).count("fulfillment.started") == 1


def test_one_scan_sent_by_four_counts_once():
    fulfillment, before = started(), mark()
    answers = at_once(4, lambda n: pick(fulfillment, scan_id="scan_1").id)
    assert outcome(answers) == 4
    assert told(fulfillment.order, after=before) == ["fulfillment.item_picked"]


def test_four_pickers_take_the_three_units_that_there_are():
    fulfillment = started()
    answers = at_once(4, lambda n: pick(fulfillment, scan_id=f"scan_{n}").id)
    assert outcome(answers) == 3
    assert selectors.get(fulfillment.id).lines[0].picked_quantity == 3


def test_two_packers_pack_once():
    fulfillment = started()
    pick_all(fulfillment)
    before = mark()
    answers = at_once(
        2,
        lambda n: (
            services.pack_fulfillment(
                fulfillment_id=fulfillment.id, packages=[PACKAGE] * (n + 1)
            ).id
        ),
    )
    assert outcome(answers) == 1
    assert told(fulfillment.order, after=before) == ["fulfillment.packed"]


def test_a_unit_is_either_picked_or_written_off():
    for _ in range(5):
        fulfillment = started(1)

        def work(n, fulfillment=fulfillment):
            if n:
                return pick(fulfillment).id
            return write_off(fulfillment.order, 0, 1).id

        assert outcome(at_once(2, work)) == 1


def test_an_order_is_either_reserved_anew_or_started():
    for _ in range(5):
        fulfillment = fulfillments(order_in({"wh_1": 3}))[0]

        def work(n, fulfillment=fulfillment):
            if n:
                return services.start_fulfillment(fulfillment_id=fulfillment.id).id
            return orders.reserve_stock(
                order_id=fulfillment.order_id, reservation_id="res_2", allocations=[]
            ).id

        assert outcome(at_once(2, work)) == 1
