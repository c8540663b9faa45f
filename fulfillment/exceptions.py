"""Why a request about a fulfillment is refused, besides a transition its status does not allow."""

from config.core.exceptions import Conflict, DomainError


class OrderOnHold(Conflict):
    """The order is on hold. Picking cannot start until the hold is released."""

    code = "order_on_hold"


class WarehouseRequired(DomainError):
    """The fulfillment has no warehouse yet: send `warehouse_id`."""

    code = "warehouse_required"


class OtherWarehouse(DomainError):
    """`warehouse_id` conflicts with the warehouse of this fulfillment or of another one."""

    code = "other_warehouse"


class NotInFulfillment(DomainError):
    """The fulfillment has no units of this order line."""

    code = "unknown_item"


class TooManyFulfillmentUnits(DomainError):
    """The quantity is larger than the number of units that are in the required state."""

    code = "too_many_units"


class ScanReused(DomainError):
    """This `scan_id` was already used with another line, quantity or reason."""

    code = "scan_reused"
