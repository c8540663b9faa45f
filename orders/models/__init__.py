"""Orders: the aggregate, its parts, and the organization's policy."""

from orders.models.order import Order
from orders.models.parts import Allocation, Dispatch, OrderItem, WriteOff
from orders.models.policy import Policy

__all__ = ["Allocation", "Dispatch", "Order", "OrderItem", "Policy", "WriteOff"]
