"""The errors of orders. Codes and docstrings are published in the OpenAPI document."""

from config.core.exceptions import Conflict, DomainError


class NoItems(DomainError):
    """An order needs at least one item."""

    code = "no_items"
    example = "An order has at least one item."


class OrderTooLarge(DomainError):
    """The order has so many lines and warehouses that its events would exceed the size limit."""

    code = "order_too_large"
    example = (
        "The order has 900 combinations of line and warehouse, too many for one message: split "
        "the order."
    )


class DiscountTooLarge(DomainError):
    """A discount exceeds what it is taken off: a line, the shipping, or the items of the order."""

    code = "discount_too_large"
    example = "The discount of 60.00 on line 1 (var_mug) exceeds the amount of 50.00."


class TotalDiffers(Conflict):
    """The order would have another total than `expected_total`: `total`."""

    code = "total_differs"
    example = (
        "The total is 61.16 USD, not 60.00: show it to the customer, and send it as expected_total."
    )
    example_details = {"total": "61.16"}


class PaymentTermsUnavailable(DomainError):
    """The organization does not offer to pay on invoice or on delivery."""

    code = "payment_terms_unavailable"
    example = "org_demo does not offer `invoice`: choose another payment_method."


class LabelIsBought(Conflict):
    """A label has the old address. Cancel its shipment, correct the order, and ship again."""

    code = "label_is_bought"
    example = "ship_01JCZ6A1B2C3D4E5F6G7H8J9K0 has a label for the old address: cancel it first."


class CountryChanged(Conflict):
    """The order was placed with the taxes and the shipping of another country: replace it."""

    code = "country_changed"
    example = (
        "order_01JCZ5B2QH8M3T6R9W1K4X7V0B has the taxes and the shipping of US: for MX, replace it."
    )


class PickingHasBegun(Conflict):
    """A warehouse has picked units of the order. Its lines cannot change any more.

    Write off what is not to be sent, and open another order for what is added.
    """

    code = "picking_has_begun"
    example = (
        "Units of order_01JCZ5B2QH8M3T6R9W1K4X7V0B are picked: write off what is not to be sent."
    )


class CannotEdit(Conflict):
    """Units of the order are written off or refunded, so its lines are not what is to be sent.

    Cancel it and open another order, or open one for what is added.
    """

    code = "cannot_edit"
    example = (
        "Units of order_01JCZ5B2QH8M3T6R9W1K4X7V0B are written off or refunded: cancel it, or open "
        "another order."
    )


class CannotReplace(Conflict):
    """Another order replaces it already, or it is of another customer or currency."""

    code = "cannot_replace"
    example = "order_01JCZ5B2QH8M3T6R9W1K4X7V0B belongs to another customer."


class CannotExchange(Conflict):
    """The return has ended, has an exchange, or is of another customer or currency."""

    code = "cannot_exchange"
    example = "ret_01JCZ8A1B2C3D4E5F6G7H8J9K0 is closed: open the order without `exchanges`."


class NotFullyPaid(Conflict):
    """The captured amount is less than the order's total, so the order cannot be confirmed."""

    code = "not_fully_paid"


class UnknownOrderItem(DomainError):
    """The order or the fulfillment has no such item."""

    code = "unknown_item"
    example = "The order has no item item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF."


class TooManyUnits(DomainError):
    """The quantity is larger than the number of units that this action is possible for."""

    code = "too_many_units"
    example = "Units of item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF available: 2; requested: 3."


class AmbiguousVariant(DomainError):
    """Several lines of the order have this variant: allocate by `order_item_id`."""

    code = "ambiguous_variant"
    example = "The order has 2 lines of var_mug: name one by order_item_id."


class AllocatedTwice(DomainError):
    """A line is allocated twice to one warehouse: add up the quantities."""

    code = "allocated_twice"
    example = (
        "item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF is allocated twice to wh_north: add up the quantities."
    )


class PartialReservation(DomainError):
    """Some units are not reserved, but the organization's policy requires all of them.

    If the policy is `backorder`, at least one must be reserved.
    """

    code = "partial_reservation"
    example = (
        "2 units of order_01JCZ5B2QH8M3T6R9W1K4X7V0B are not reserved: reserve all, or reject the "
        "order."
    )


class OtherReservation(Conflict):
    """The rejection does not name the reservation that the order holds.

    `reservation_id` is required while the order holds a reservation.
    """

    code = "other_reservation"
    example = "order_01JCZ5B2QH8M3T6R9W1K4X7V0B holds the reservation res_8f2c41d7, not res_2b90."


class UnknownShipment(DomainError):
    """No unit of the order is under way in this shipment."""

    code = "unknown_shipment"


class UnitsArePicked(Conflict):
    """Picked units cannot be written off. Report them as short in their fulfillment first."""

    code = "units_are_picked"
    example = (
        "Cannot write off 3 units of item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF: only 2 are not picked. "
        "Report picked units that will not ship as short in their fulfillment."
    )


class AlreadyShipped(Conflict):
    """A shipment has left, so the order cannot be cancelled. Write off the remaining units."""

    code = "has_left"
    example = (
        "A shipment of order_01JCZ5B2QH8M3T6R9W1K4X7V0B has left: write off the units that have "
        "not."
    )


class OrderIsCancelled(Conflict):
    """The order is cancelled, so none of its units can be reserved, picked, packed or shipped."""

    code = "order_cancelled"
    example = (
        "order_01JCZ5B2QH8M3T6R9W1K4X7V0B is cancelled: none of its units can be reserved or sent."
    )
    example_details = {"allowed_actions": []}


class OrderOnHold(Conflict):
    """The order is on hold. Until it is released, nothing is picked, packed, labeled or sent."""

    code = "order_on_hold"
    example = (
        "order_01JCZ5B2QH8M3T6R9W1K4X7V0B is on hold (address: no such street in Puebla). It can "
        "go on once it is released."
    )
    example_details = {"allowed_actions": []}


class MismatchUnresolved(Conflict):
    """A payment of the order captured another amount than was charged: apply or refund it first."""

    code = "mismatch_unresolved"
    example = (
        "pay_01JCZ5D0KQ3N6R9V2X5Z8B1E4G captured another amount than was charged. Apply the "
        "payment or refund it; then order_01JCZ5B2QH8M3T6R9W1K4X7V0B can be released."
    )


class FulfillmentHasStarted(Conflict):
    """A warehouse is picking the order, so its allocation cannot change.

    Move or write off units in their fulfillment instead.
    """

    code = "fulfillment_started"
    example = (
        "A warehouse is picking order_01JCZ5B2QH8M3T6R9W1K4X7V0B: its allocation cannot change any "
        "more."
    )
