"""What lists of carts can be filtered by."""

from django_filters import rest_framework as filters

from carts.models import Cart
from config.api.filters import ContextFilters, IdFilter


class CartFilters(ContextFilters):
    """`?status=active&status=abandoned&customer=cust_789`."""

    status = filters.MultipleChoiceFilter(choices=Cart.Status.choices, help_text="One of these.")
    customer = IdFilter(field_name="customer_id", help_text="The customer's id.")
    session = IdFilter(field_name="session_id", help_text="The session's id.")
