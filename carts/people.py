"""What carts hold about a person: ids, metadata, notes, and the reasons of discounts."""

from carts import selectors
from carts.models import Cart, CartItem
from config.core.client_data import ERASED
from events.people import holds, owned_by

owned_by(Cart, selectors.owned_by)
holds(Cart, "pk", erase={**ERASED, "purchase_order_number": None, "checkout_digest": None})
holds(CartItem, "cart", erase={**ERASED, "discount_reason": None})
