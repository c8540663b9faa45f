"""What fulfillment tells other services, in the contract's order, and what it keeps to itself."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, Self

from msgspec import Meta

from config.core import request_context
from events.schema import Event, Id, Kilograms, Payload, Quantity, Timestamp, event

if TYPE_CHECKING:
    from fulfillment.models import Fulfillment, FulfillmentItem


@event("fulfillment.started", version="1.0", moment="started_at")
class FulfillmentStarted(Event):
    """A warehouse has begun to pick the order."""

    order_id: Id
    warehouse_id: Id
    assigned_to: str
    started_at: Timestamp

    @classmethod
    def of(cls, fulfillment: "Fulfillment") -> Self:
        assert fulfillment.warehouse_id, "no warehouse is known"
        assert fulfillment.started_at, "nobody has started"
        return cls(
            order_id=fulfillment.order_id,
            warehouse_id=fulfillment.warehouse_id,
            assigned_to=str(fulfillment.assigned_to),
            started_at=fulfillment.started_at,
        )


@event("fulfillment.item_picked", version="1.0", moment="picked_at")
class FulfillmentItemPicked(Event):
    """Units were taken from the shelf; once per accepted pick."""

    order_id: Id
    order_item_id: Id
    variant_id: Id
    quantity_picked: Quantity
    picked_by: str
    picked_at: Timestamp

    @classmethod
    def of(
        cls,
        fulfillment: "Fulfillment",
        line: "FulfillmentItem",
        *,
        quantity: int,
        picked_at: datetime,
    ) -> Self:
        return cls(
            order_id=fulfillment.order_id,
            order_item_id=line.order_item_id,
            variant_id=line.variant_id,
            quantity_picked=quantity,
            picked_by=request_context.current().actor,
            picked_at=picked_at,
        )


@event("fulfillment.packed", version="1.0", moment="packed_at")
class FulfillmentPacked(Event):
    """Everything that this warehouse sends is in its packages."""

    order_id: Id
    package_count: Quantity
    total_weight: Annotated[Kilograms, Meta(description="Of all packages.")]
    packed_by: str
    packed_at: Timestamp

    @classmethod
    def of(cls, fulfillment: "Fulfillment") -> Self:
        assert fulfillment.total_weight is not None, "nothing is packed"
        assert fulfillment.packed_at, "nothing is packed"
        return cls(
            order_id=fulfillment.order_id,
            package_count=len(fulfillment.packages),
            total_weight=fulfillment.total_weight.normalize(),
            packed_by=str(fulfillment.packed_by),
            packed_at=fulfillment.packed_at,
        )


class LineUnits(Payload):
    """Units of one of the order's lines."""

    order_item_id: Id
    quantity: Quantity

    @classmethod
    def of(cls, units: Mapping[str, int]) -> list[Self]:
        return [cls(order_item_id=line, quantity=quantity) for line, quantity in units.items()]


@event("fulfillment.opened", published=False)
class FulfillmentOpened(Event):
    """A warehouse is to send these units; nobody has begun."""

    fulfillment_id: Id
    order_id: Id
    warehouse_id: Annotated[Id | None, Meta(description="Null where none is known.")]
    items: list[LineUnits]


@event("fulfillment.units_assigned", published=False)
class FulfillmentUnitsAssigned(Event):
    """The warehouse is to send more units than it was told before."""

    fulfillment_id: Id
    order_id: Id
    reason: Literal["reserved", "moved", "lost"]
    items: list[LineUnits]


@event("fulfillment.units_withdrawn", published=False)
class FulfillmentUnitsWithdrawn(Event):
    """The warehouse is to send fewer units than it was told before."""

    fulfillment_id: Id
    order_id: Id
    reason: Literal["reserved", "moved", "written_off"]
    items: list[LineUnits]


@event("fulfillment.item_short", published=False)
class FulfillmentItemShort(Event):
    """The warehouse cannot send these units: somebody moves them to another or writes them off."""

    fulfillment_id: Id
    order_id: Id
    order_item_id: Id
    quantity: Quantity
    reason: str
    reported_by: str


@event("fulfillment.units_short", published=False)
class FulfillmentUnitsShort(Event):
    """No warehouse can send these units: the order is to write them off."""

    fulfillment_id: Id
    order_id: Id
    items: list[LineUnits]


@event("fulfillment.units_lost", published=False)
class FulfillmentUnitsLost(Event):
    """What was packed has left and is lost, or has come back: it is to be sent again."""

    fulfillment_id: Id
    order_id: Id
    shipment_id: Id
    items: list[LineUnits]


@event("fulfillment.cancelled", published=False)
class FulfillmentCancelled(Event):
    """The warehouse has nothing to send any more."""

    fulfillment_id: Id
    order_id: Id
    reason: str
