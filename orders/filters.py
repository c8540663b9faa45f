"""The filters of the list of orders."""

from django_filters import rest_framework as filters

from config.api.filters import (
    AnyOf,
    ContextFilters,
    CreatedFilter,
    Expand,
    FlagFilter,
    IdFilter,
    LineFilter,
    MetadataFilter,
    MomentFilter,
)
from orders import selectors
from orders.models import Order


class OrderFilters(ContextFilters):
    """`?status=placed&status=confirmed&customer=cust_789`."""

    expand = Expand("items")
    status = AnyOf(choices=Order.Status.choices)
    number = filters.CharFilter(
        field_name="number", help_text="The order number, such as `ORD-2025-0001`."
    )
    customer = IdFilter(field_name="customer_id", help_text="The id of the customer.")
    local = IdFilter(field_name="local_id", help_text="The id of the shop or branch.")
    cart = IdFilter(field_name="cart_id", help_text="The id of the cart that was checked out.")
    external_reference = IdFilter(
        field_name="external_reference", help_text="The order's id in your own system."
    )
    exchanges = IdFilter(field_name="exchanges", help_text="The return that is exchanged.")
    item_reference = LineFilter()
    purchase_order_number = IdFilter(
        field_name="purchase_order_number", help_text="The number of the buyer's own order."
    )
    metadata = MetadataFilter()
    placed_after = MomentFilter(field_name="placed_at", lookup_expr="gte")
    # An order is not placed before it is created, so older ids can be skipped.
    placed_before = CreatedFilter(field_name="placed_at", lookup_expr="lt")
    on_hold = FlagFilter(
        selectors.ON_HOLD,
        help_text="Whether the order is on hold and not finished.",
    )
    unreleased_units = FlagFilter(
        selectors.WITH_UNRELEASED_UNITS,
        help_text="Whether an operator still has to release written-off stock in Inventory.",
    )
