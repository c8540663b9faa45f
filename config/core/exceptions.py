"""Base classes of the errors that the API returns as problems and the admin shows as messages."""

from typing import Any


class DomainError(Exception):
    """The request cannot be carried out. `details` become members of the problem document."""

    code = "refused"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details


class Conflict(DomainError):
    """The current state of the resource does not allow the request."""

    code = "conflict"


class Missing(DomainError):
    """The resource does not exist, or does not exist any more."""

    code = "not_found"


class AddressRequired(DomainError):
    """An address is missing: `detail` names the field to send."""

    code = "address_required"
