"""What lists of invoices can be filtered by."""

from django_filters import rest_framework as filters

from config.api.filters import AnyOf, ContextFilters, CreatedFilter, IdFilter
from invoices.models import Invoice


class InvoiceFilters(ContextFilters):
    """`?order=order_01J…`, `?status=issued`."""

    status = AnyOf(choices=Invoice.Status.choices)
    number = filters.CharFilter(
        field_name="number", help_text="As people read it: `INV-2025-0001`."
    )
    order = IdFilter(field_name="order_id", help_text="The order's id.")
    customer = IdFilter(field_name="customer_id", help_text="The customer's id.")
    issued_after = CreatedFilter(field_name="issued_at", lookup_expr="gte")
    issued_before = CreatedFilter(field_name="issued_at", lookup_expr="lt")
