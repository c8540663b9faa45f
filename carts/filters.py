"""The filters of the list of carts."""

from carts.models import Cart
from config.api.filters import AnyOf, ContextFilters, Expand, IdFilter


class CartFilters(ContextFilters):
    """`?status=active&status=abandoned&customer=cust_789`."""

    expand = Expand("items")
    status = AnyOf(choices=Cart.Status.choices)
    customer = IdFilter(field_name="customer_id", help_text="The id of the customer.")
    session = IdFilter(field_name="session_id", help_text="The id of the session.")
