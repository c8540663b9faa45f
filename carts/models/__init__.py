"""Carts: the aggregate, its lines, and the organization's policy."""

from carts.models.cart import Cart
from carts.models.item import CartItem
from carts.models.policy import Policy
from carts.models.refusals import CannotMerge, TooMany

__all__ = ["CannotMerge", "Cart", "CartItem", "Policy", "TooMany"]
