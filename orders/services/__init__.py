"""What can be done with orders: one function per verb."""

from orders.services.life import (
    answer_reservation,
    cancel_order,
    cancel_unpayable_order,
    confirm_order,
    expire_unpaid_orders,
    hold_order,
    open_order,
    place_order,
    reject_reservation,
    release_order,
    reserve_stock,
)
from orders.services.units import (
    count_returned_units,
    deliver_units,
    release_written_off_units,
    reopen_units,
    ship_units,
    start_processing,
    write_off_short_units,
    write_off_units,
)

__all__ = [
    "answer_reservation",
    "cancel_order",
    "cancel_unpayable_order",
    "confirm_order",
    "count_returned_units",
    "deliver_units",
    "expire_unpaid_orders",
    "hold_order",
    "open_order",
    "place_order",
    "reject_reservation",
    "release_order",
    "release_written_off_units",
    "reopen_units",
    "reserve_stock",
    "ship_units",
    "start_processing",
    "write_off_short_units",
    "write_off_units",
]
