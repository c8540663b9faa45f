"""What lists of carts can be filtered by."""

from carts.models import Cart
from config.api.filters import AnyOf, ContextFilters, IdFilter


class CartFilters(ContextFilters):
    """`?status=active&status=abandoned&customer=cust_789`."""

    status = AnyOf(choices=Cart.Status.choices)
    customer = IdFilter(field_name="customer_id", help_text="The customer's id.")
    session = IdFilter(field_name="session_id", help_text="The session's id.")
