"""Filters for lists of fulfillments."""

from django.db.models import Q, QuerySet

from config.api.filters import AnyOf, ContextFilters, FlagFilter, IdFilter
from fulfillment import selectors
from fulfillment.models import Fulfillment


class FulfillmentFilters(ContextFilters):
    """`?warehouse=wh_101&to_pick=true`."""

    status = AnyOf(choices=Fulfillment.Status.choices)
    order = IdFilter(field_name="order_id", help_text="The order's id.")
    warehouse = IdFilter(field_name="warehouse_id", help_text="The warehouse's id.")
    assigned_to = IdFilter(field_name="assigned_to", help_text="The picker.")
    to_pick = FlagFilter(
        method="filter_to_pick", help_text="Has units to pick, and the order is not on hold."
    )
    to_pack = FlagFilter(
        method="filter_to_pack",
        help_text="Every unit is picked or reported short, and nothing is packed yet.",
    )
    short_units = FlagFilter(
        method="filter_short_units", help_text="Has short units to move or to write off."
    )

    def filter_to_pick(
        self, rows: QuerySet[Fulfillment], name: str, value: bool
    ) -> QuerySet[Fulfillment]:
        return _filter(rows, selectors.TO_PICK, value)

    def filter_to_pack(
        self, rows: QuerySet[Fulfillment], name: str, value: bool
    ) -> QuerySet[Fulfillment]:
        return _filter(rows, selectors.TO_PACK, value)

    def filter_short_units(
        self, rows: QuerySet[Fulfillment], name: str, value: bool
    ) -> QuerySet[Fulfillment]:
        return _filter(rows, selectors.WITH_SHORT_UNITS, value)


def _filter(rows: QuerySet[Fulfillment], condition: Q, value: bool) -> QuerySet[Fulfillment]:
    return rows.filter(condition if value else ~condition)
