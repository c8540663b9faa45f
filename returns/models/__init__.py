"""The return aggregate, its parts, and the organization's policy."""

from returns.models.parts import Receipt, ReceiptItem, ReturnItem
from returns.models.policy import PaidBy, Policy
from returns.models.return_request import Return

__all__ = ["PaidBy", "Policy", "Receipt", "ReceiptItem", "Return", "ReturnItem"]
