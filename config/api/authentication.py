"""Authentication by bearer token: the caller is its subject, acting for its organization."""

import hashlib
from dataclasses import dataclass
from typing import cast

import jwt
from django.db.models import Q
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request

from config.api import tokens
from config.core import request_context

# Verbs that `write` does not include.
SEPARATE = ("read", "override", "delegate", "export", "erase")


# What a token that a browser holds may do at most: nothing that sets a price.
CUSTOMER_SCOPES = frozenset(
    {
        *("carts:read", "carts:fill", "carts:checkout", "orders:read", "orders:cancel"),
        *("returns:read", "returns:request"),
    }
)


@dataclass
class Caller:
    """The service that sends the request. `actor` is the person it acts for, or the service.

    With a `customer_id` or a `session_id`, the token is bound to this customer or guest: it sees
    only their carts, orders and returns.
    """

    subject: str
    organization_id: str
    scopes: frozenset[str]
    actor: str
    customer_id: str | None = None
    session_id: str | None = None

    is_authenticated = True

    @property
    def is_bound(self) -> bool:
        """Whether the token is bound to a customer or a guest."""
        return bool(self.customer_id or self.session_id)

    @property
    def identity(self) -> str:
        """What distinguishes the caller from the others of its organization: 1 to 64 characters."""
        if not self.is_bound:
            return self.subject
        bound = repr((self.subject, self.customer_id, self.session_id))
        return hashlib.sha256(bound.encode()).hexdigest()

    def owns(self, path: str) -> Q:
        """Return a condition: the rows of the customer or the guest. `path` leads to the owner.

        A guest does not see what belongs to a customer, who may have used the same browser.
        """
        rows = Q(pk__in=[])
        if self.customer_id:
            rows |= Q(**{f"{path}customer_id": self.customer_id})
        if self.session_id:
            guest = {f"{path}session_id": self.session_id, f"{path}customer_id": None}
            rows |= Q(**guest)
        return rows

    def may(self, scope: str) -> bool:
        """Return whether the caller has the scope, or one that includes it.

        `*` includes every scope, and `orders:write` every scope to change orders.
        """
        if self.is_bound and scope not in CUSTOMER_SCOPES:
            return False
        context, _, verb = scope.partition(":")
        including = {scope, "*"} if verb in SEPARATE else {scope, "*", f"{context}:write"}
        return not self.scopes.isdisjoint(including)


def caller_of(request: Request) -> Caller:
    """Return the caller of an authenticated request."""
    return cast(Caller, request.user)


class IdentityProviderUnavailable(APIException):
    """The identity provider does not respond: retry after `Retry-After` seconds."""

    status_code = 503
    default_detail = "The identity provider's keys cannot be fetched. Try again later."
    default_code = "identity_provider_unavailable"
    wait = 5


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer <JWT>`, verified locally with the shared secret or the public keys."""

    def authenticate(self, request: Request) -> tuple[Caller, str] | None:
        scheme, _, token = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        text = token.decode("latin-1").strip()
        try:
            claims = tokens.verify(text)
        except tokens.KeysUnavailable as error:
            raise IdentityProviderUnavailable from error
        except jwt.ExpiredSignatureError as error:
            raise AuthenticationFailed("The token has expired.", "token_expired") from error
        except jwt.PyJWTError as error:
            raise AuthenticationFailed(f"Invalid token: {error}", "invalid_token") from error
        caller = Caller(
            subject=claims["sub"],
            organization_id=claims["organization_id"],
            scopes=frozenset(claims.get("scope", "").split()),
            actor=claims["sub"],
            customer_id=claims.get("customer_id"),
            session_id=claims.get("session_id"),
        )
        request_context.set_actor(caller.actor, organization_id=caller.organization_id)
        return caller, text

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
