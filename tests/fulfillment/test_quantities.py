"""How a fulfillment line counts its units. Runs without a database."""

import pytest

from fulfillment.exceptions import TooManyFulfillmentUnits
from fulfillment.models import FulfillmentItem


@pytest.fixture
def line():
    return FulfillmentItem(order_item_id="item_1", quantity=5)


def counts(line):
    return line.quantity, line.picked_quantity, line.short_quantity, line.unpicked_quantity


def test_picked_units_are_no_longer_to_be_picked(line):
    line.pick(2)
    assert counts(line) == (5, 2, 0, 3)


def test_short_units_are_picked_after_those_to_be_picked(line):
    line.report_short(3, shipped_quantity=0)
    line.pick(4)
    assert counts(line) == (5, 4, 1, 0)


def test_picked_units_are_put_back_when_they_are_reported_short(line):
    line.pick(4)
    line.report_short(3, shipped_quantity=0)
    assert counts(line) == (5, 2, 3, 0)


def test_shipped_units_cannot_be_reported_short(line):
    line.pick(5)
    with pytest.raises(TooManyFulfillmentUnits, match="2 requested, 1 neither short nor shipped"):
        line.report_short(2, shipped_quantity=4)
    line.report_short(1, shipped_quantity=4)
    assert counts(line) == (5, 4, 1, 0)


def test_short_units_are_withdrawn_first(line):
    line.report_short(2, shipped_quantity=0)
    line.withdraw(3)
    assert counts(line) == (2, 0, 0, 2)


def test_picked_units_cannot_be_withdrawn(line):
    line.pick(3)
    with pytest.raises(TooManyFulfillmentUnits, match="item_1: 3 requested, 2 not picked here"):
        line.withdraw(3)
    assert counts(line) == (5, 3, 0, 2)


def test_only_short_units_are_written_off(line):
    line.report_short(1, shipped_quantity=0)
    with pytest.raises(TooManyFulfillmentUnits, match="2 requested, 1 reported short here"):
        line.write_off(2)
    line.write_off(1)
    assert counts(line) == (4, 0, 0, 4)


def test_no_more_units_are_picked_than_assigned(line):
    line.pick(5)
    with pytest.raises(TooManyFulfillmentUnits, match="1 requested, 0 still to be picked here"):
        line.pick(1)
