"""What an order refuses besides a transition that its state does not allow."""

from config.core.exceptions import Conflict, DomainError


class NoItems(DomainError):
    """An order of nothing."""

    code = "no_items"


class OrderTooLarge(DomainError):
    """So many lines and warehouses that its events could not be sent."""

    code = "order_too_large"


class DiscountTooLarge(DomainError):
    """A discount may take everything off the items, and no more."""

    code = "discount_too_large"


class NotFullyPaid(Conflict):
    """An order is confirmed when all of its money is there."""

    code = "not_fully_paid"


class UnknownOrderItem(DomainError):
    """The order has no such line."""

    code = "unknown_item"


class TooManyUnits(DomainError):
    """More units than the line has in the state that was asked for."""

    code = "too_many_units"


class UnknownShipment(DomainError):
    """No unit of the order is on its way in this shipment."""

    code = "unknown_shipment"


class UnitsArePicked(Conflict):
    """Units that are picked are not written off: report them short in their fulfillment first."""

    code = "units_are_picked"


class AlreadyShipped(Conflict):
    """A shipment has left: the order cannot be cancelled; what has not left can be written off."""

    code = "has_left"


class OrderIsCancelled(Conflict):
    """The order is cancelled, so none of its units can be reserved, picked, packed or shipped."""

    code = "order_cancelled"


class FulfillmentHasStarted(Conflict):
    """A warehouse is picking the order, so its allocation is fixed.

    Move or write off units in their fulfillment instead.
    """

    code = "fulfillment_started"
