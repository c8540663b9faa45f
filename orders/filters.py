"""What lists of orders can be filtered by."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from config.api.filters import ContextFilters, FlagFilter, IdFilter, MomentFilter
from orders import selectors
from orders.models import Order


class OrderFilters(ContextFilters):
    """`?status=placed&status=confirmed&customer=cust_789`."""

    status = filters.MultipleChoiceFilter(choices=Order.Status.choices)
    number = filters.CharFilter(field_name="number")
    customer = IdFilter(field_name="customer_id")
    local = IdFilter(field_name="local_id")
    cart = IdFilter(field_name="cart_id")
    placed_after = MomentFilter(field_name="placed_at", lookup_expr="gte")
    placed_before = MomentFilter(field_name="placed_at", lookup_expr="lt")
    on_hold = FlagFilter(method="filter_on_hold")
    unreleased_units = FlagFilter(method="filter_unreleased_units")

    def filter_on_hold(self, orders: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        """Somebody has to look at it before it is fulfilled."""
        return orders.filter(selectors.ON_HOLD if value else ~selectors.ON_HOLD)

    def filter_unreleased_units(
        self, orders: QuerySet[Any], name: str, value: bool
    ) -> QuerySet[Any]:
        """Written off, and nobody has told Inventory yet."""
        unreleased = selectors.WITH_UNRELEASED_UNITS
        return orders.filter(unreleased if value else ~unreleased)
