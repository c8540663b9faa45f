"""What carts tell other services, in the contract's order, and what they keep to themselves."""

from typing import TYPE_CHECKING, Self

from events.money import money
from events.schema import Event, Id, Money, Quantity, Timestamp, event

if TYPE_CHECKING:
    from carts.models import Cart, CartItem


@event("cart.created")
class CartCreated(Event):
    """Somebody has begun to shop."""

    cart_id: Id
    customer_id: Id | None
    session_id: Id | None
    organization_id: Id

    @classmethod
    def of(cls, cart: "Cart") -> Self:
        return cls(
            cart_id=cart.id,
            customer_id=cart.customer_id,
            session_id=cart.session_id,
            organization_id=cart.organization_id,
        )


@event("cart.item_added")
class CartItemAdded(Event):
    """`quantity` is what was added now, not what the line holds."""

    cart_id: Id
    variant_id: Id
    quantity: Quantity
    unit_price: Money


@event("cart.abandoned", moment="abandoned_at")
class CartAbandoned(Event):
    """Marketing reminds the customer; once per idle period."""

    cart_id: Id
    customer_id: Id | None
    items_count: Quantity
    total_value: Money
    abandoned_at: Timestamp
    last_activity_at: Timestamp


@event("cart.converted", moment="converted_at")
class CartConverted(Event):
    """Analytics counts a checkout; `cart_value` is before discount, tax and shipping."""

    cart_id: Id
    order_id: Id
    converted_at: Timestamp
    cart_value: Money


@event("cart.item_changed", published=False)
class CartItemChanged(Event):
    """A line holds another quantity now; 0 means that it was removed."""

    cart_id: Id
    variant_id: Id
    quantity: int
    unit_price: Money

    @classmethod
    def of(cls, item: "CartItem", *, quantity: int) -> Self:
        return cls(
            cart_id=item.cart_id,
            variant_id=item.variant_id,
            quantity=quantity,
            unit_price=money(item.unit_price, item.cart.currency),
        )


@event("cart.merged", published=False)
class CartMerged(Event):
    """A guest's cart has become part of a customer's."""

    cart_id: Id
    into_cart_id: Id


@event("cart.items_absorbed", published=False)
class CartItemsAbsorbed(Event):
    """The other side of a merge."""

    cart_id: Id
    from_cart_id: Id
    items_count: int


@event("cart.expired", published=False)
class CartExpired(Event):
    """Nobody has come back for it in a long time."""

    cart_id: Id
    last_activity_at: Timestamp
