"""The filters of the list of carts."""

from carts.models import Cart
from config.api.filters import AnyOf, ContextFilters, Expand, IdFilter, LineFilter, MetadataFilter


class CartFilters(ContextFilters):
    """`?status=active&status=abandoned&customer=cust_789`."""

    expand = Expand("items")
    status = AnyOf(choices=Cart.Status.choices)
    customer = IdFilter(field_name="customer_id", help_text="The id of the customer.")
    session = IdFilter(field_name="session_id", help_text="The id of the session.")
    external_reference = IdFilter(
        field_name="external_reference", help_text="The cart's id in your own system."
    )
    item_reference = LineFilter()
    purchase_order_number = IdFilter(
        field_name="purchase_order_number", help_text="The number of the buyer's own order."
    )
    metadata = MetadataFilter()
