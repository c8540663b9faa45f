"""The errors of carts. Codes and docstrings are published in the OpenAPI document."""

from config.core.exceptions import AddressRequired, Conflict, DomainError, Missing


class CartTooLarge(DomainError):
    """The cart would have too many lines, or a line too many units."""

    code = "too_many"
    example = "A cart holds at most 500 lines."


class AlreadyCheckedOut(Conflict):
    """The cart was checked out with other data, and is the order `order_id`."""

    code = "already_checked_out"
    example = (
        "cart_01JCZ4Q8M3V7T2R9K5X1B6N0AW was checked out with other data: it is the order "
        "order_01JCZ5B2QH8M3T6R9W1K4X7V0B."
    )
    example_details = {"order_id": "order_01JCZ5B2QH8M3T6R9W1K4X7V0B"}


class CannotMerge(DomainError):
    """The carts differ in organization, customer or currency, or the target has no customer."""

    code = "cannot_merge"
    example = "cart_01JCZ4Q8M3V7T2R9K5X1B6N0AW belongs to another customer."


class CartItemNotFound(Missing):
    """The cart has no such item, or has it no longer."""

    example = "cart_01JCZ4Q8M3V7T2R9K5X1B6N0AW has no item item_01JCZ4R5F8D2G6H0J4K7M1N3PQ."


class ShippingAddressRequired(AddressRequired):
    """An address is missing: `detail` names the field to send."""

    example = "shipping_address is required: the cart has no local_id where to collect the order."
