"""The filters of the list of shipments."""

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from config.api.filters import AnyOf, ContextFilters, Expand, FlagFilter, IdFilter
from shipments import selectors
from shipments.models import Shipment


class ShipmentFilters(ContextFilters):
    """The query parameters of the list: `?order=order_456&status=dispatched`."""

    expand = Expand("items")
    status = AnyOf(choices=Shipment.Status.choices)
    order = IdFilter(field_name="order_id", help_text="The id of the order.")
    fulfillment = IdFilter(field_name="fulfillment_id", help_text="The id of the fulfillment.")
    warehouse = IdFilter(field_name="warehouse_id", help_text="The id of the warehouse.")
    carrier = filters.CharFilter(
        field_name="carrier",
        lookup_expr="iexact",
        help_text="The name of the carrier; the case does not matter.",
    )
    tracking_number = IdFilter(method="of_parcel", help_text="The exact number of a parcel.")
    late = FlagFilter(
        selectors.LATE,
        help_text="Whether the shipment is under way and was expected before today.",
    )

    def of_parcel(self, rows: QuerySet[Shipment], name: str, value: str) -> QuerySet[Shipment]:
        """Find shipments by any of their numbers."""
        return rows.filter(selectors.has_number([value]))
