"""What a return refuses besides a transition that its state does not allow."""

from config.core.exceptions import DomainError


class WindowClosed(DomainError):
    """It was delivered too long ago; an operator may take it back all the same."""

    code = "return_window_closed"


class NotInReturn(DomainError):
    """The return has no such line."""

    code = "not_in_return"


class RefundOwed(DomainError):
    """Who closes a return for which something is owed says in a `note` why it is not given."""

    code = "refund_owed"


class RefundTooLarge(DomainError):
    """More than can be given back; `max_refundable` says how much that is."""

    code = "refund_too_large"
