"""What lists of shipments can be filtered by."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters

from config.api.filters import AnyOf, ContextFilters, FlagFilter, IdFilter
from shipments import selectors
from shipments.models import Shipment


class ShipmentFilters(ContextFilters):
    """`?order=order_456&status=dispatched`."""

    status = AnyOf(choices=Shipment.Status.choices)
    order = IdFilter(field_name="order_id", help_text="The order's id.")
    fulfillment = IdFilter(field_name="fulfillment_id", help_text="The fulfillment's id.")
    warehouse = IdFilter(field_name="warehouse_id", help_text="The warehouse's id.")
    carrier = filters.CharFilter(
        field_name="carrier", lookup_expr="iexact", help_text="In whatever case: `fedex`."
    )
    tracking_number = IdFilter(field_name="tracking_number", help_text="The carrier's number.")
    late = FlagFilter(
        method="filter_late",
        help_text="It is under way, and should have arrived before today.",
    )

    def filter_late(self, shipments: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        late = selectors.late(timezone.now().date())
        return shipments.filter(late) if value else shipments.exclude(late)
