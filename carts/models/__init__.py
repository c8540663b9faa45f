"""Carts: the aggregate, its lines, and the organization's policy."""

from carts.models.cart import Cart
from carts.models.parts import CartItem
from carts.models.policy import Policy

__all__ = ["Cart", "CartItem", "Policy"]
