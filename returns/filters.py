"""Filters for lists of returns."""

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from config.api.filters import AnyOf, ContextFilters, FlagFilter, IdFilter
from returns import selectors
from returns.models import Return


class ReturnFilters(ContextFilters):
    """`?order=order_456&status=approved`."""

    status = AnyOf(choices=Return.Status.choices)
    order = IdFilter(field_name="order_id", help_text="The order's id.")
    rma_number = filters.CharFilter(help_text="The RMA number, such as `RMA-2025-0001`.")
    to_receive = FlagFilter(
        method="filter_to_receive", help_text="Approved, with units that are not received yet."
    )
    to_refund = FlagFilter(
        method="filter_to_refund",
        help_text="Received, with accepted units to refund and no pending refund.",
    )

    def filter_to_receive(
        self, returns: QuerySet[Return], name: str, value: bool
    ) -> QuerySet[Return]:
        return returns.filter(selectors.TO_RECEIVE if value else ~selectors.TO_RECEIVE)

    def filter_to_refund(
        self, returns: QuerySet[Return], name: str, value: bool
    ) -> QuerySet[Return]:
        return returns.filter(selectors.TO_REFUND if value else ~selectors.TO_REFUND)
