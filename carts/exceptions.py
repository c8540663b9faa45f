"""The errors of carts. Codes and docstrings are published in the OpenAPI document."""

from config.core.exceptions import DomainError, Missing


class CartTooLarge(DomainError):
    """The cart would exceed its number of lines, or a line its number of units."""

    code = "too_many"


class CannotMerge(DomainError):
    """The carts differ in organization, customer or currency, or the target has no customer."""

    code = "cannot_merge"


class CartItemNotFound(Missing):
    """The cart has no such item, or has it no longer."""
