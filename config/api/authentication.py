"""Authentication by bearer token: the caller is its subject, acting for its organization."""

from dataclasses import dataclass
from typing import cast

import jwt
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request

from config.api import tokens
from config.core import request_context

SEPARATE = ("read", "override", "delegate")  # verbs that `write` does not include


@dataclass
class Caller:
    """The service that sends the request. `actor` is the person it acts for, or the service."""

    subject: str
    organization_id: str
    scopes: frozenset[str]
    actor: str

    is_authenticated = True

    def may(self, scope: str) -> bool:
        """Return whether the caller has the scope, or one that includes it.

        `*` includes every scope, and `orders:write` every scope to change orders.
        """
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
        )
        request_context.set_actor(caller.actor, organization_id=caller.organization_id)
        return caller, text

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
