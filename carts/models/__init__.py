"""Carts: the aggregate, its lines, and the organization's policy."""

from carts.exceptions import CannotMerge, TooMany
from carts.models.cart import Cart
from carts.models.item import CartItem
from carts.models.policy import Policy

__all__ = ["CannotMerge", "Cart", "CartItem", "Policy", "TooMany"]
