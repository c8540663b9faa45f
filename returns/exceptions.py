"""Why a request about a return is refused, besides a transition its status does not allow."""

from config.core.exceptions import DomainError


class ReturnWindowClosed(DomainError):
    """The units were delivered too long ago to be returned.

    An operator can accept them with an `override_reason`.
    """

    code = "return_window_closed"


class NotInReturn(DomainError):
    """The return has no units of this order line."""

    code = "not_in_return"


class RefundOutstanding(DomainError):
    """Received units are not refunded yet.

    Refund them, or close the return with `forgo_refund` and a `note` that says why.
    """

    code = "refund_owed"


class RefundExceedsReturn(DomainError):
    """The amount is larger than what can be refunded, which is `max_refundable`."""

    code = "refund_too_large"
