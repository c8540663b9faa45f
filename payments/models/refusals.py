"""What a payment refuses besides a transition that its state does not allow."""

from events.errors import DomainError


class RefundTooLarge(DomainError):
    """More than is left of the captured money; `max_refundable` says how much that is."""

    code = "refund_too_large"
