"""Concurrent commands on a fulfillment have one effect."""

import threading
from contextlib import suppress

import pytest
from django.db import OperationalError, connection

from config.core.exceptions import DomainError
from events import reactions
from fulfillment import selectors, services
from orders.services import reservations
from tests.factories import write_off
from tests.fulfillment.factories import PACKAGE, fulfillments, order_in, pick, pick_all, reach
from tests.log import event_names, latest_number
from tests.parallel import at_once
from tests.reacting import as_rows
from tests.shipments.factories import ShipmentFactory, scan

pytestmark = pytest.mark.django_db(transaction=True)


def started(quantity=3):
    return reach(fulfillments(order_in({"wh_1": quantity}))[0], "started")


def outcome(results):
    """Return how many calls were accepted. The others must raise a DomainError."""
    refused = [result for result in results if isinstance(result, Exception)]
    assert all(isinstance(result, DomainError) for result in refused), refused
    return len(results) - len(refused)


def test_of_two_pickers_one_starts():
    fulfillment = fulfillments(order_in({"wh_1": 3}))[0]
    results = at_once(
        2,
        lambda n: (
            services.start_fulfillment(
                fulfillment_id=fulfillment.id, assigned_to=f"picker_{n}"
            ).assigned_to
        ),
    )
    assert outcome(results) == 1
    assert event_names(fulfillment.order).count("fulfillment.started") == 1


def test_one_scan_sent_four_times_counts_once():
    fulfillment, before = started(), latest_number()
    results = at_once(4, lambda n: pick(fulfillment, scan_id="scan_1").id)
    assert outcome(results) == 4
    assert event_names(fulfillment.order, after=before) == ["fulfillment.item_picked"]


def test_four_pickers_pick_at_most_three_assigned_units():
    fulfillment = started()
    results = at_once(4, lambda n: pick(fulfillment, scan_id=f"scan_{n}").id)
    assert outcome(results) == 3
    assert selectors.get(fulfillment.id).lines[0].picked_quantity == 3


def test_of_two_packers_one_packs():
    fulfillment = started()
    pick_all(fulfillment)
    before = latest_number()
    results = at_once(
        2,
        lambda n: (
            services.pack_fulfillment(
                fulfillment_id=fulfillment.id, packages=[PACKAGE] * (n + 1)
            ).id
        ),
    )
    assert outcome(results) == 1
    assert event_names(fulfillment.order, after=before) == ["fulfillment.packed"]


def test_a_unit_is_either_picked_or_written_off():
    for _ in range(5):
        fulfillment = started(1)

        def work(n, fulfillment=fulfillment):
            if n:
                return pick(fulfillment).id
            return write_off(fulfillment.order, 0, 1).id

        assert outcome(at_once(2, work)) == 1


def test_either_the_new_reservation_or_the_start_wins():
    for _ in range(5):
        fulfillment = fulfillments(order_in({"wh_1": 3}))[0]

        def work(n, fulfillment=fulfillment):
            if n:
                return services.start_fulfillment(fulfillment_id=fulfillment.id).id
            return reservations.reserve_stock(
                order_id=fulfillment.order_id, reservation_id="res_2", allocations=[]
            ).id

        assert outcome(at_once(2, work)) == 1


def test_a_parcel_that_arrives_while_its_loss_is_handled_is_not_sent_again(monkeypatch):
    """The worker that handles the loss holds the order, so the delivery comes before or after."""
    with as_rows():
        shipment = scan(ShipmentFactory(status="in_transit"), "lost")
    mark_units_lost = services.mark_units_lost

    def arrive():
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '500ms'")
        with suppress(OperationalError):
            scan(shipment, "delivered")
        connection.close()

    def arrive_first(**lost):
        thread = threading.Thread(target=arrive)
        thread.start()
        thread.join()
        mark_units_lost(**lost)

    monkeypatch.setattr(services, "mark_units_lost", arrive_first)
    reactions.run_pending(shipment.order_id)
    scan(shipment, "delivered")
    (fulfillment, *again) = fulfillments(shipment.order)
    assert fulfillment.status == "packed"
    assert not any(any(row.quantities.values()) for row in again)
