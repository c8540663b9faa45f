"""The errors of orders. Codes and docstrings are published in the OpenAPI document."""

from config.core.exceptions import Conflict, DomainError


class NoItems(DomainError):
    """An order needs at least one item."""

    code = "no_items"


class OrderTooLarge(DomainError):
    """The order has so many lines and warehouses that its events would exceed the size limit."""

    code = "order_too_large"


class DiscountTooLarge(DomainError):
    """The discount exceeds the net amount of the items."""

    code = "discount_too_large"


class NotFullyPaid(Conflict):
    """The captured amount is less than the order's total, so the order cannot be confirmed."""

    code = "not_fully_paid"


class UnknownOrderItem(DomainError):
    """The order has no item with this id."""

    code = "unknown_item"


class TooManyUnits(DomainError):
    """The quantity exceeds the units of the item that are available for this action."""

    code = "too_many_units"


class UnknownShipment(DomainError):
    """No unit of the order is under way in this shipment."""

    code = "unknown_shipment"


class UnitsArePicked(Conflict):
    """Picked units cannot be written off. Report them as short in their fulfillment first."""

    code = "units_are_picked"


class AlreadyShipped(Conflict):
    """A shipment has left, so the order cannot be cancelled. Write off the remaining units."""

    code = "has_left"


class OrderIsCancelled(Conflict):
    """The order is cancelled, so none of its units can be reserved, picked, packed or shipped."""

    code = "order_cancelled"


class FulfillmentHasStarted(Conflict):
    """A warehouse is picking the order, so its allocation cannot change.

    Move or write off units in their fulfillment instead.
    """

    code = "fulfillment_started"
