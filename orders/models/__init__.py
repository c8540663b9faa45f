"""Orders: the aggregate, its parts, and the organization's policy."""

from orders.exceptions import (
    HasLeft,
    NotFullyPaid,
    TooManyUnits,
    UnitsArePicked,
    UnknownShipment,
)
from orders.models.order import Order
from orders.models.parts import Allocation, Dispatch, OrderItem, WriteOff
from orders.models.policy import Policy

__all__ = [
    "Allocation",
    "Dispatch",
    "HasLeft",
    "NotFullyPaid",
    "Order",
    "OrderItem",
    "Policy",
    "TooManyUnits",
    "UnitsArePicked",
    "UnknownShipment",
    "WriteOff",
]
