"""Fulfillment's events: the published ones in the contract's order, then the internal ones."""

from typing import Annotated, Literal

from msgspec import Meta

from events.schema import Event, Id, Kilograms, Quantity, Timestamp, event
from orders.events import LineUnits

AssignmentReason = Literal["reserved", "moved", "lost"]
WithdrawalReason = Literal["reserved", "written_off", "recovered"]


@event("fulfillment.started", version="1.0", moment="started_at")
class FulfillmentStarted(Event):
    """A warehouse started to pick its units of the order."""

    order_id: Id
    warehouse_id: Id
    assigned_to: str
    started_at: Timestamp


@event("fulfillment.item_picked", version="1.0", moment="picked_at")
class FulfillmentItemPicked(Event):
    """Units of an order line were picked. Published once for each recorded pick."""

    order_id: Id
    order_item_id: Id
    variant_id: Id
    quantity_picked: Quantity
    picked_by: str
    picked_at: Timestamp


@event("fulfillment.packed", version="1.0", moment="packed_at")
class FulfillmentPacked(Event):
    """A warehouse packed all picked units of the order."""

    order_id: Id
    package_count: Quantity
    total_weight: Annotated[Kilograms, Meta(description="The sum of all packages.")]
    packed_by: str
    packed_at: Timestamp


class _WarehouseUnits(Event):
    """What the events about the units of a fulfillment have in common."""

    fulfillment_id: Id
    order_id: Id
    warehouse_id: Annotated[Id | None, Meta(description="Null until a warehouse is known.")]
    items: list[LineUnits]


@event("fulfillment.opened", published=False)
class FulfillmentOpened(_WarehouseUnits):
    """Units of an order were assigned to a warehouse; picking has not started."""


@event("fulfillment.units_assigned", published=False)
class FulfillmentUnitsAssigned(_WarehouseUnits):
    """More units were assigned to the fulfillment."""

    reason: AssignmentReason


@event("fulfillment.units_withdrawn", published=False)
class FulfillmentUnitsWithdrawn(_WarehouseUnits):
    """Units were withdrawn from the fulfillment."""

    reason: WithdrawalReason


@event("fulfillment.units_moved", published=False)
class FulfillmentUnitsMoved(_WarehouseUnits):
    """Another warehouse sends the units. Inventory should move their stock commitment there."""

    to_warehouse_id: Annotated[Id | None, Meta(description="Null if not known.")]


@event("fulfillment.item_short", published=False)
class FulfillmentItemShort(Event):
    """Units are missing or unusable in the warehouse. An operator moves them or writes them off."""

    fulfillment_id: Id
    order_id: Id
    warehouse_id: Id
    order_item_id: Id
    variant_id: Id
    quantity: Quantity
    reason: str
    reported_by: str


@event("fulfillment.units_short", published=False)
class FulfillmentUnitsShort(_WarehouseUnits):
    """No warehouse has these units. The order writes them off."""


@event("fulfillment.units_lost", published=False)
class FulfillmentUnitsLost(_WarehouseUnits):
    """Units of a shipment were lost, or came back to the sender."""

    shipment_id: Id
    to_warehouse_id: Annotated[Id | None, Meta(description="The warehouse that sends them again.")]
    unusable: Annotated[
        list[LineUnits], Meta(description="Those of the units that are not sent again.")
    ]


@event("fulfillment.units_recovered", published=False)
class FulfillmentUnitsRecovered(_WarehouseUnits):
    """A lost shipment arrived after all: these of its units are not sent again."""

    shipment_id: Id


@event("fulfillment.cancelled", published=False)
class FulfillmentCancelled(Event):
    """The warehouse has nothing to send."""

    fulfillment_id: Id
    order_id: Id
    warehouse_id: Annotated[Id | None, Meta(description="Null if not known.")]
    reason: str


@event("fulfillment.unpacked", published=False)
class FulfillmentUnpacked(Event):
    """The picked units of a cancelled fulfillment are back on the shelf."""

    fulfillment_id: Id
    order_id: Id
    warehouse_id: Id
    items: list[LineUnits]
    unpacked_by: str
