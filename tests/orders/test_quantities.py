"""How an order counts its units. Runs without a database."""

from decimal import Decimal

import pytest

from orders.exceptions import TooManyUnits, UnitsArePicked, UnknownOrderItem
from orders.models import Allocation, Order, OrderItem
from orders.quantities import Quantities, UnitsInWarehouse


def item(item_id, quantity, **given):
    line = OrderItem(
        id=item_id,
        order=Order(currency="USD"),
        quantity=quantity,
        variant_id=f"var_{item_id}",
        preferred_warehouse_id="wh_1",
        **given,
    )
    line.allocated = []
    return line


@pytest.fixture
def quantities():
    return Quantities([item("a", 3), item("b", 1)])


def units(item_id, quantity, *, is_backordered=False):
    return UnitsInWarehouse(
        order_item_id=item_id,
        warehouse_id=None,
        quantity=quantity,
        is_backordered=is_backordered,
    )


def counts(line):
    return line.active_quantity, line.unshipped_quantity, line.delivered, line.returned


def test_units_move_from_state_to_state(quantities):
    line = quantities.line("a")
    assert quantities.ship({"a": 3}) == [line]
    assert counts(line) == (3, 0, 0, 0)
    quantities.reopen({"a": 1})
    quantities.deliver({"a": 2})
    quantities.record_return({"a": 1})
    quantities.write_off(units("a", 1))
    assert counts(line) == (2, 0, 2, 1)
    assert line.returnable_quantity == 1


def test_totals_are_summed_over_the_lines(quantities):
    quantities.ship({"a": 2, "b": 1})
    assert quantities.total("shipped") == 3
    assert quantities.total("unshipped_quantity") == 1


@pytest.mark.parametrize("move", ["ship", "record_return"])
def test_more_units_than_available_are_refused(quantities, move):
    with pytest.raises(TooManyUnits, match="requested: 4"):
        getattr(quantities, move)({"a": 4})


def test_more_units_than_available_are_not_written_off(quantities):
    with pytest.raises(TooManyUnits, match="available: 3; requested: 4"):
        quantities.write_off(units("a", 4))
    with pytest.raises(TooManyUnits, match="available: 0; requested: 1"):
        quantities.write_off(units("a", 1, is_backordered=True))


def test_an_unknown_item_is_refused(quantities):
    with pytest.raises(UnknownOrderItem, match="no item c"):
        quantities.ship({"a": 1, "c": 1})
    assert quantities.total("shipped") == 0


@pytest.mark.parametrize(("picked", "is_refused"), [(1, False), (2, True)])
def test_picked_units_cannot_be_written_off(quantities, picked, is_refused):
    if is_refused:
        with pytest.raises(UnitsArePicked, match="only 1 are not picked"):
            quantities.expect_unpicked({"a": 2}, {"a": picked})
    else:
        quantities.expect_unpicked({"a": 2}, {"a": picked})


def test_units_come_from_allocated_warehouses_or_else_the_preferred_one():
    line = item("a", 5, cancelled=1)
    line.allocated = [
        Allocation(warehouse_id="wh_2", quantity=2),
        Allocation(warehouse_id="wh_3", quantity=1),
    ]
    assert line.by_warehouse() == {"wh_2": 2, "wh_3": 1, "wh_1": 1}
    line.cancelled = 3
    assert line.by_warehouse() == {"wh_2": 2}, "written-off units are taken from the end"


def test_backordered_units_are_in_no_warehouse_until_they_are_reserved(quantities):
    line = quantities.line("a")
    line.backordered = 2
    line.allocated = [Allocation(warehouse_id="wh_2", quantity=1, reservation_id="res_1")]
    assert line.by_warehouse() == {"wh_2": 1}
    with pytest.raises(TooManyUnits, match="available: 2; requested: 3"):
        quantities.reserve_backordered({"a": 3})
    quantities.reserve_backordered({"a": 2})
    line.allocated.append(Allocation(warehouse_id="wh_2", quantity=2, reservation_id="res_2"))
    assert (line.backordered, line.by_warehouse()) == (0, {"wh_2": 3})


def test_each_unit_has_its_share_of_the_total():
    line = item("a", 3, total=Decimal(10))
    assert [str(line.paid_for([n])) for n in (1, 2, 3)] == ["3.34", "3.33", "3.33"]
    line.cancelled = 2
    assert str(line.paid_for_written_off(1)) == "3.33"
