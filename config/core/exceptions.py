"""What the service refuses to do. The API turns these into problems, the admin into messages."""

from typing import Any


class DomainError(Exception):
    """The request makes no sense as things stand. `details` go into the answer as they are."""

    code = "refused"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details


class Conflict(DomainError):
    """The request may make sense, but not in the state that the thing is in now."""

    code = "conflict"


class Missing(DomainError):
    """What the request is about is not there, or not any more."""

    code = "not_found"


class AddressRequired(DomainError):
    """An address is missing: `detail` names the field to send."""

    code = "address_required"
