"""The filters of the list of returns."""

from django_filters import rest_framework as filters

from config.api.filters import AnyOf, ContextFilters, Expand, FlagFilter, IdFilter
from returns import selectors
from returns.models import Return


class ReturnFilters(ContextFilters):
    """`?order=order_456&status=approved`."""

    expand = Expand("items")
    status = AnyOf(choices=Return.Status.choices)
    order = IdFilter(field_name="order_id", help_text="The id of the order.")
    rma_number = filters.CharFilter(help_text="The RMA number: `RMA-2025-0001`.")
    to_receive = FlagFilter(
        selectors.TO_RECEIVE,
        help_text="Whether it is approved, with units that are not received yet.",
    )
    to_refund = FlagFilter(
        selectors.TO_REFUND,
        help_text="Whether it is received, with accepted units to refund, no pending refund, and "
        "money left in the order's payments.",
    )
