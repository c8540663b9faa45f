"""What can be done with fulfillments: one function per verb."""

from fulfillment.services.picking import (
    move_units,
    pack_fulfillment,
    pick_item,
    report_short,
    start_fulfillment,
    write_off_short_units,
)
from fulfillment.services.planning import (
    cancel_fulfillments,
    lose_units,
    plan_fulfillments,
    withdraw_written_off,
)

__all__ = [
    "cancel_fulfillments",
    "lose_units",
    "move_units",
    "pack_fulfillment",
    "pick_item",
    "plan_fulfillments",
    "report_short",
    "start_fulfillment",
    "withdraw_written_off",
    "write_off_short_units",
]
