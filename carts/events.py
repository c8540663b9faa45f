"""The events of carts: published ones in the order of the specification, then internal ones."""

from typing import Annotated, ClassVar

from msgspec import Meta

from events.schema import Event, Id, Money, Quantity, Timestamp, UnitPrice, event


class CartEvent(Event):
    """An event in a cart's own stream: most carts never become an order."""

    stream_type: ClassVar[str] = "cart"


@event("cart.created", version="1.0")
class CartCreated(CartEvent):
    """A cart was opened."""

    cart_id: Id
    customer_id: Annotated[Id | None, Meta(description="Null for a guest.")]
    session_id: Annotated[Id | None, Meta(description="Null only for a customer.")]
    organization_id: Annotated[Id, Meta(description="The same as in the envelope.")]


@event("cart.item_added", version="1.0")
class CartItemAdded(CartEvent):
    """Units were added to a cart, to an existing line or as a new one."""

    cart_id: Id
    variant_id: Id
    quantity: Annotated[Quantity, Meta(description="The added units, not the line's total.")]
    unit_price: UnitPrice


@event("cart.abandoned", version="1.0", moment="abandoned_at")
class CartAbandoned(CartEvent):
    """A cart was not changed for a while, by default one day. A change makes it active again."""

    cart_id: Id
    customer_id: Annotated[Id | None, Meta(description="Null for a guest.")]
    items_count: Annotated[Quantity, Meta(description="Units, summed over all lines.")]
    total_value: Annotated[Money, Meta(description="The sum of quantity × unit price.")]
    abandoned_at: Timestamp
    last_activity_at: Timestamp


@event("cart.converted", version="1.0", moment="converted_at")
class CartConverted(CartEvent):
    """A cart was checked out and became an order."""

    cart_id: Id
    order_id: Id
    converted_at: Timestamp
    cart_value: Annotated[Money, Meta(description="Before discounts and shipping.")]


@event("cart.item_changed", published=False)
class CartItemChanged(CartEvent):
    """The quantity of a line changed; 0 means that it was removed."""

    cart_id: Id
    variant_id: Id
    quantity: int
    unit_price: UnitPrice


@event("cart.merged", published=False)
class CartMerged(CartEvent):
    """A guest's cart was merged into a customer's cart."""

    cart_id: Id
    into_cart_id: Id


@event("cart.items_absorbed", published=False)
class CartItemsAbsorbed(CartEvent):
    """A customer's cart took over the lines of a guest's cart."""

    cart_id: Id
    from_cart_id: Id
    items_count: int


@event("cart.expired", published=False)
class CartExpired(CartEvent):
    """A cart was idle for so long that it cannot be checked out any more."""

    cart_id: Id
    last_activity_at: Timestamp
