"""Errors of the domain. The API returns them as problems, the admin shows them as messages.

The docstring of an exception explains its code to integrators: the OpenAPI document publishes it.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class DomainError(Exception):
    """The request is not possible. `details` become members of the problem.

    `example` is a message of the kind that it is raised with, `example_details` its details.
    `wait` are the seconds after which the request may succeed; the response has them in
    `Retry-After`.
    """

    code = "refused"
    wait: ClassVar[int | None] = None
    example: ClassVar[str] = ""
    example_details: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details


class Conflict(DomainError):
    """The current state of the resource does not allow the request."""

    code = "conflict"


class Missing(DomainError):
    """The resource does not exist, or does not exist any more."""

    code = "not_found"


class BadRequest(DomainError):
    """The request itself is invalid, whatever the state of the resource."""

    code = "bad_request"


class BadSignature(BadRequest):
    """The webhook is not signed by its sender, or its signature is older than five minutes."""

    code = "bad_signature"
    example = "The webhook is not signed by its sender: check the webhook secret."


class BadMessage(BadRequest):
    """The webhook is signed, but its content is not as the sender documents it."""

    code = "bad_message"
    example = "This is not an event of EasyPost: KeyError('id')."


class AddressRequired(DomainError):
    """An address is missing: `detail` names the field to send."""

    code = "address_required"
    example = "recipient_email is required: the order has no customer_email."
