"""What carts tell other services, in the contract's order, and what they keep to themselves."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from msgspec import Meta

from config.core.money import money
from events.schema import Event, Id, Money, Quantity, Timestamp, event

if TYPE_CHECKING:
    from carts.models import Cart, CartItem


class CartEvent(Event):
    """Carts have streams of their own: most never become an order."""

    stream_type: ClassVar[str] = "cart"


@event("cart.created", version="1.0")
class CartCreated(CartEvent):
    """Somebody has begun to shop."""

    cart_id: Id
    customer_id: Annotated[Id | None, Meta(description="Null for a guest, who has a session.")]
    session_id: Annotated[Id | None, Meta(description="Null only where a customer is known.")]
    organization_id: Annotated[Id, Meta(description="As in the envelope.")]

    @classmethod
    def of(cls, cart: "Cart") -> Self:
        return cls(
            cart_id=cart.id,
            customer_id=cart.customer_id,
            session_id=cart.session_id,
            organization_id=cart.organization_id,
        )


@event("cart.item_added", version="1.0")
class CartItemAdded(CartEvent):
    """Units were added, as a line of their own or to one that was there."""

    cart_id: Id
    variant_id: Id
    quantity: Annotated[Quantity, Meta(description="What was added now, not what the line holds.")]
    unit_price: Money


@event("cart.abandoned", version="1.0", moment="abandoned_at")
class CartAbandoned(CartEvent):
    """Nobody has touched it for a day or so; once, until somebody does."""

    cart_id: Id
    customer_id: Annotated[Id | None, Meta(description="Null for a guest.")]
    items_count: Annotated[Quantity, Meta(description="Units, as a shopper counts.")]
    total_value: Annotated[Money, Meta(description="Quantity × unit price, over all lines.")]
    abandoned_at: Timestamp
    last_activity_at: Timestamp


@event("cart.converted", version="1.0", moment="converted_at")
class CartConverted(CartEvent):
    """It was checked out and is an order now."""

    cart_id: Id
    order_id: Id
    converted_at: Timestamp
    cart_value: Annotated[Money, Meta(description="Before discount, tax and shipping.")]


@event("cart.item_changed", published=False)
class CartItemChanged(CartEvent):
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
class CartMerged(CartEvent):
    """A guest's cart has become part of a customer's."""

    cart_id: Id
    into_cart_id: Id


@event("cart.items_absorbed", published=False)
class CartItemsAbsorbed(CartEvent):
    """It has taken over the lines of another cart."""

    cart_id: Id
    from_cart_id: Id
    items_count: int


@event("cart.expired", published=False)
class CartExpired(CartEvent):
    """Nobody has come back for it in a long time."""

    cart_id: Id
    last_activity_at: Timestamp
