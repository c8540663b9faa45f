"""The filters of lists of payments."""

from config.api.filters import AnyOf, ContextFilters, FlagFilter, IdFilter
from payments import selectors
from payments.models import Payment


class PaymentFilters(ContextFilters):
    """`?order=order_456&status=pending`."""

    status = AnyOf(choices=Payment.Status.choices)
    order = IdFilter(field_name="order_id", help_text="The id of the order.")
    payment_method = AnyOf(field_name="method", choices=Payment.Method.choices)
    gateway_payment = IdFilter(
        field_name="gateway_payment_id", help_text="The id of the payment at the gateway."
    )
    overdue = FlagFilter(
        selectors.OVERDUE, help_text="Whether it is `on_account`, due and not paid."
    )
    outcome_open = FlagFilter(
        selectors.OUTCOME_OPEN,
        help_text="Whether the gateway may be capturing money: its result is not known yet.",
    )
