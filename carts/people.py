"""What carts hold about a person: ids, and the reasons of discounts."""

from carts import selectors
from carts.models import Cart, CartItem
from events.people import holds, owned_by

owned_by(Cart, selectors.owned_by)
holds(Cart, "pk")
holds(CartItem, "cart", erase={"discount_reason": None})
