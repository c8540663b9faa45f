"""Orders as JSON: what the routes take, and what they answer."""

from orders.serializers.answers import OrderOut
from orders.serializers.bodies import (
    Cancellation,
    Hold,
    NewItem,
    NewOrder,
    Reservation,
    Terms,
    WriteOff,
)

__all__ = [
    "Cancellation",
    "Hold",
    "NewItem",
    "NewOrder",
    "OrderOut",
    "Reservation",
    "Terms",
    "WriteOff",
]
