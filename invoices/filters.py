"""The filters of `GET /invoices`."""

from django_filters import rest_framework as filters

from config.api.filters import AnyOf, ContextFilters, CreatedFilter, Expand, IdFilter
from invoices.models import Invoice


class InvoiceFilters(ContextFilters):
    """`?order=order_01J…`, `?status=issued`."""

    expand = Expand("lines")
    status = AnyOf(choices=Invoice.Status.choices)
    number = filters.CharFilter(
        field_name="number", help_text="The invoice number: `INV-2025-0001`."
    )
    order = IdFilter(field_name="order_id", help_text="The id of the order.")
    purchase_order_number = IdFilter(
        field_name="purchase_order_number", help_text="The number of the buyer's own order."
    )
    customer = IdFilter(field_name="customer_id", help_text="The id of the customer.")
    issued_after = CreatedFilter(field_name="issued_at", lookup_expr="gte")
    issued_before = CreatedFilter(field_name="issued_at", lookup_expr="lt")
