"""Returns: the aggregate, its parts, and the organization's policy."""

from returns.models.parts import Receipt, ReceiptItem, ReturnItem
from returns.models.policy import PaidBy, Policy
from returns.models.refusals import NoteRequired, NotInReturn, RefundTooLarge, WindowClosed
from returns.models.return_request import Return

__all__ = [
    "NotInReturn",
    "NoteRequired",
    "PaidBy",
    "Policy",
    "Receipt",
    "ReceiptItem",
    "RefundTooLarge",
    "Return",
    "ReturnItem",
    "WindowClosed",
]
