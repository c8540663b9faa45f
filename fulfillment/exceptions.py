"""Why a request about a fulfillment is refused, besides a transition its status does not allow."""

from config.core.exceptions import DomainError


class WarehouseRequired(DomainError):
    """The fulfillment has no warehouse yet: send `warehouse_id`."""

    code = "warehouse_required"
    example = "warehouse_id is required: ful_01JCZ6W9Y1B4D7G0K3N6Q9S2V5 has no warehouse yet."


class OtherWarehouse(DomainError):
    """The fulfillment has a warehouse already, or the order has a fulfillment in `warehouse_id`."""

    code = "other_warehouse"
    example = "ful_01JCZ6W9Y1B4D7G0K3N6Q9S2V5 is assigned to wh_north: move its units to wh_south."


class NotInFulfillment(DomainError):
    """The order or the fulfillment has no such item."""

    code = "unknown_item"
    example = "ful_01JCZ6W9Y1B4D7G0K3N6Q9S2V5 has no units of item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF."


class TooManyFulfillmentUnits(DomainError):
    """The quantity is larger than the number of units that this action is possible for."""

    code = "too_many_units"
    example = "item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF: 3 requested, 2 still to be picked here."


class ScanReused(DomainError):
    """This `scan_id` was already used with another line, quantity or reason."""

    code = "scan_reused"
    example = (
        "The scan_id scan_5f1c was already used for 1 of item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF: send a "
        "new one."
    )
