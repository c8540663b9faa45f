"""What fulfillment tells other services, in the contract's order."""

from typing import Annotated

from msgspec import Meta

from events.schema import Event, Id, Kilograms, Quantity, Timestamp, event


@event("fulfillment.started", moment="started_at")
class FulfillmentStarted(Event):
    """A warehouse has begun to pick the order."""

    order_id: Id
    warehouse_id: Id
    assigned_to: str
    started_at: Timestamp


@event("fulfillment.item_picked", moment="picked_at")
class FulfillmentItemPicked(Event):
    """Units were taken from the shelf; once per accepted pick."""

    order_id: Id
    order_item_id: Id
    variant_id: Id
    quantity_picked: Quantity
    picked_by: str
    picked_at: Timestamp


@event("fulfillment.packed", moment="packed_at")
class FulfillmentPacked(Event):
    """Everything that this warehouse sends is in its packages."""

    order_id: Id
    package_count: Quantity
    total_weight: Annotated[Kilograms, Meta(description="Of all packages.")]
    packed_by: str
    packed_at: Timestamp
