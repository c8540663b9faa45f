"""The filters of the list of fulfillments."""

from config.api.filters import AnyOf, ContextFilters, Expand, FlagFilter, IdFilter
from fulfillment import selectors
from fulfillment.models import Fulfillment


class FulfillmentFilters(ContextFilters):
    """`?warehouse=wh_101&to_pick=true`."""

    expand = Expand("items")
    status = AnyOf(choices=Fulfillment.Status.choices)
    order = IdFilter(field_name="order_id", help_text="The id of the order.")
    warehouse = IdFilter(field_name="warehouse_id", help_text="The id of the warehouse.")
    assigned_to = IdFilter(field_name="assigned_to", help_text="The id of the picker.")
    to_pick = FlagFilter(
        selectors.TO_PICK, help_text="Whether it has units to pick, and the order is not on hold."
    )
    to_pack = FlagFilter(
        selectors.TO_PACK,
        help_text="Whether every unit is picked or reported short, nothing is packed yet, and the "
        "order is not on hold.",
    )
    short_units = FlagFilter(
        selectors.WITH_SHORT_UNITS, help_text="Whether it has short units to move or to write off."
    )
    to_unpack = FlagFilter(
        selectors.TO_UNPACK,
        help_text="Whether it is cancelled, and picked units must go back on the shelf.",
    )
