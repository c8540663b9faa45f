"""What lists of returns can be filtered by."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from config.api.filters import AnyOf, ContextFilters, FlagFilter, IdFilter
from returns import selectors
from returns.models import Return


class ReturnFilters(ContextFilters):
    """`?order=order_456&status=approved`."""

    status = AnyOf(choices=Return.Status.choices)
    order = IdFilter(field_name="order_id", help_text="The order's id.")
    rma_number = filters.CharFilter(help_text="As people read it: `RMA-2025-0001`.")
    to_receive = FlagFilter(
        method="filter_to_receive", help_text="Units of it have yet to come, and may."
    )
    to_refund = FlagFilter(
        method="filter_to_refund",
        help_text="What has come is worth something, and no refund for it is under way.",
    )

    def filter_to_receive(self, returns: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return returns.filter(selectors.TO_RECEIVE if value else ~selectors.TO_RECEIVE)

    def filter_to_refund(self, returns: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return returns.filter(selectors.TO_REFUND if value else ~selectors.TO_REFUND)
