"""Returns: the aggregate, its parts, and the organization's policy."""

from returns.exceptions import NotInReturn, RefundOwed, RefundTooLarge, WindowClosed
from returns.models.parts import Receipt, ReceiptItem, ReturnItem
from returns.models.policy import PaidBy, Policy
from returns.models.return_request import Return

__all__ = [
    "NotInReturn",
    "PaidBy",
    "Policy",
    "Receipt",
    "ReceiptItem",
    "RefundOwed",
    "RefundTooLarge",
    "Return",
    "ReturnItem",
    "WindowClosed",
]
