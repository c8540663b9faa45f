"""The number of queries of a reaction is fixed and does not grow with the order's lines."""

import pytest

from config.celery import app
from events import reactions
from tests.architecture import reacting
from tests.architecture.sizes import SIZES

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

BUDGET = {  # by name: the scenario with the most queries, and their number, with its savepoint
    "orders.confirm_paid_order": (reacting.paid, 7),
    "orders.confirm_replacement": (reacting.replaced, 7),
    "orders.confirm_authorized_order": (reacting.authorized, 9),
    "orders.hold_unsecured_order": (reacting.authorized, 5),
    "orders.cancel_unpayable_order": (reacting.declined, 6),
    "orders.hold_disputed_order": (reacting.disputed, 5),
    "orders.release_after_dispute": (reacting.disputed, 4),
    "orders.hold_mismatched_order": (reacting.mismatched, 5),
    "orders.release_after_mismatch": (reacting.mismatched, 4),
    "orders.extend_reservation": (reacting.paid, 4),
    "orders.start_processing": (reacting.delivered, 4),
    "orders.recover_arrived_units": (reacting.put_back, 9),
    "orders.write_off_short_units": (reacting.written_off, 8),
    "orders.ship_dispatched_units": (reacting.delivered, 8),
    "orders.deliver_shipped_units": (reacting.lost, 12),
    "orders.reopen_lost_units": (reacting.lost, 8),
    "orders.record_returned_units": (reacting.refunded, 9),
    "payments.refund_unneeded_payment": (reacting.paid_and_cancelled, 9),
    "payments.move_money": (reacting.replaced, 12),
    "payments.refund_surplus": (reacting.mismatched, 6),
    "payments.refund_unneeded_mismatch": (reacting.paid_and_cancelled, 8),
    "payments.record_lost_disputes": (reacting.disputed, 9),
    "payments.abandon_unneeded_payments": (reacting.authorized, 6),
    "payments.refund_cancelled_order": (reacting.cancelled, 7),
    "payments.refund_written_off_units": (reacting.written_off, 6),
    "payments.refund_returned_units": (reacting.refund_fell_short, 12),
    "fulfillment.open_fulfillments": (reacting.written_off, 9),
    "fulfillment.follow_reservation": (reacting.reserved_elsewhere, 9),
    "fulfillment.send_backordered_units": (reacting.backordered, 7),
    "fulfillment.withdraw_written_off_units": (reacting.written_off, 5),
    "fulfillment.cancel_fulfillments": (reacting.cancelled, 8),
    "fulfillment.send_lost_units_again": (reacting.lost, 10),
    "fulfillment.send_received_units_again": (reacting.returned_to_sender, 11),
    "fulfillment.send_missing_units_again": (reacting.returned_to_sender, 11),
    "fulfillment.withdraw_recovered_units": (reacting.lost, 8),
    "shipments.ship_packed_units": (reacting.shipped_automatically, 7),
    "shipments.cancel_open_shipments": (reacting.cancelled, 6),
    "returns.expect_parcel": (reacting.returned_to_sender, 6),
    "returns.cancel_delivered_parcel": (reacting.delivered_after_all, 6),
    "returns.complete_refunded_return": (reacting.refunded, 5),
    "returns.release_failed_refund": (reacting.refund_failed, 4),
    "returns.reduce_refund": (reacting.refund_fell_short, 4),
    "invoices.bill_confirmed_order": (reacting.authorized, 11),
    "invoices.queue_new_invoice": (reacting.paid, 11),
    "invoices.credit_refund": (reacting.written_off, 12),
    "invoices.queue_new_credit_note": (reacting.disputed, 12),
}
SCENARIOS = sorted({scenario for scenario, _ in BUDGET.values()}, key=lambda each: each.__name__)


def test_every_reaction_has_a_budget():
    app.loader.import_default_modules()
    assert BUDGET.keys() == reactions._by_name.keys()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_queries_of_the_reactions_to(scenario, run_reactions, monkeypatch):
    counted = []
    for size in SIZES:
        with reacting.counting(monkeypatch) as counts:
            scenario(size, run_reactions)
        counted.append(dict(counts))
    small, large = counted
    assert {name: set(each) for name, each in small.items()} == {
        name: set(each) for name, each in large.items()
    }
    assert {name for name, (where, _) in BUDGET.items() if where is scenario} <= large.keys()
    assert {name: max(each) for name, each in large.items() if max(each) > BUDGET[name][1]} == {}
