"""What fulfillment refuses besides a transition that its state does not allow."""

from config.core.exceptions import Conflict, DomainError


class OrderOnHold(Conflict):
    """The order is on hold. Picking cannot start until the hold is released."""

    code = "order_on_hold"


class WarehouseRequired(DomainError):
    """Nobody has said which warehouse sends it: name it."""

    code = "warehouse_required"


class OtherWarehouse(DomainError):
    """Another warehouse than the one that was named sends it, or the same one already does."""

    code = "other_warehouse"


class UnknownItem(DomainError):
    """The warehouse sends nothing of this line."""

    code = "unknown_item"


class TooManyUnits(DomainError):
    """More units than the line has in the state that was asked for."""

    code = "too_many_units"


class ScanReused(DomainError):
    """The scan_id has come before, with another line or quantity."""

    code = "scan_reused"
