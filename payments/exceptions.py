"""What a payment refuses besides a transition that its state does not allow."""

from config.core.exceptions import DomainError


class RefundTooLarge(DomainError):
    """More than can be given back; `max_refundable` says how much that is."""

    code = "refund_too_large"
