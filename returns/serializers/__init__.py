"""Returns as JSON: what the routes take, and what they answer."""

from returns.serializers.answers import ReturnOut
from returns.serializers.bodies import (
    Approval,
    Closing,
    Ending,
    LargerRefund,
    NewReceipt,
    NewReturn,
    NewReturnRefund,
    ReturnByOperator,
)

__all__ = [
    "Approval",
    "Closing",
    "Ending",
    "LargerRefund",
    "NewReceipt",
    "NewReturn",
    "NewReturnRefund",
    "ReturnByOperator",
    "ReturnOut",
]
