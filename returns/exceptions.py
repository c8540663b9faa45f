"""Why a request about a return is refused, besides a transition its status does not allow."""

from config.core.exceptions import DomainError


class ReturnWindowClosed(DomainError):
    """The units were delivered too long ago to be returned.

    An operator can accept them with an `override_reason`.
    """

    code = "return_window_closed"
    example = (
        "item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF was delivered on 2025-11-26 and could be returned for 30 "
        "days."
    )


class NotInReturn(DomainError):
    """The return has no units of this order line."""

    code = "not_in_return"
    example = "ret_01JCZ7B3C4D5E6F7G8H9J0K1M2 has no units of item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF."


class RefundOutstanding(DomainError):
    """Received units are not refunded yet.

    Refund them, or close the return with `forgo_refund` and a `note` that says why.
    """

    code = "refund_owed"
    example = (
        "13.05 USD can be refunded for ret_01JCZ7B3C4D5E6F7G8H9J0K1M2: refund it, or set "
        "`forgo_refund`."
    )


class RefundExceedsReturn(DomainError):
    """The amount is larger than what is left to refund: `max_refundable`."""

    code = "refund_too_large"
    example = "At most 13.05 USD can be refunded for ret_01JCZ7B3C4D5E6F7G8H9J0K1M2, not 20.00."
    example_details = {"max_refundable": "13.05"}
