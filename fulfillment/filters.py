"""What lists of fulfillments can be filtered by."""

from typing import Any

from django.db.models import QuerySet

from config.api.filters import AnyOf, ContextFilters, FlagFilter, IdFilter
from fulfillment import selectors
from fulfillment.models import Fulfillment


class FulfillmentFilters(ContextFilters):
    """`?warehouse=wh_101&to_pick=true`."""

    status = AnyOf(choices=Fulfillment.Status.choices)
    order = IdFilter(field_name="order_id", help_text="The order's id.")
    warehouse = IdFilter(field_name="warehouse_id", help_text="The warehouse's id.")
    assigned_to = IdFilter(field_name="assigned_to", help_text="Who picks it.")
    to_pick = FlagFilter(
        method="filter_to_pick", help_text="Units are to be picked, and the order is not on hold."
    )
    to_pack = FlagFilter(
        method="filter_to_pack", help_text="Everything is picked or short, and not packed yet."
    )
    short_units = FlagFilter(
        method="filter_short_units", help_text="Units are to be moved or written off."
    )

    def filter_to_pick(self, rows: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return _where(rows, selectors.TO_PICK, value)

    def filter_to_pack(self, rows: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return _where(rows, selectors.TO_PACK, value)

    def filter_short_units(self, rows: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return _where(rows, selectors.WITH_SHORT_UNITS, value)


def _where(rows: QuerySet[Any], condition: Any, value: bool) -> QuerySet[Any]:
    return rows.filter(condition if value else ~condition)
