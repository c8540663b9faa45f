"""Bearer tokens: who calls, for which organization, and what they may do."""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from json import JSONDecodeError
from typing import Any

import jwt
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from jwt.types import Options

LONGEST_ID = 64


class KeysUnavailable(Exception):
    """The identity provider's keys cannot be fetched, so that no token can be verified."""


@lru_cache(maxsize=1)
def _key_set(url: str) -> jwt.PyJWKClient:
    return jwt.PyJWKClient(url, timeout=5)


def _public_key(token: str) -> jwt.PyJWK:
    try:
        return _key_set(settings.JWT_JWKS_URL).get_signing_key_from_jwt(token)
    except (
        jwt.PyJWKClientConnectionError,
        jwt.exceptions.PyJWKSetError,
        OSError,
        JSONDecodeError,
    ) as error:
        raise KeysUnavailable(str(error)) from error


def verify(token: str) -> Mapping[str, Any]:
    """Return the claims of a token with a valid signature, lifetime, issuer and audience.

    Raises KeysUnavailable, or a jwt.PyJWTError for an invalid token.
    """
    key: jwt.PyJWK | str = settings.JWT_SECRET
    algorithms = ["HS256"]
    if settings.JWT_JWKS_URL:
        # Never together with HS256: a public key used as its secret would verify forged tokens.
        key = _public_key(token)
        algorithms = ["RS256", "ES256"]
    claims = jwt.decode(
        token,
        key,
        algorithms=algorithms,
        issuer=settings.JWT_ISSUER or None,
        audience=settings.JWT_AUDIENCE or None,
        options=Options(
            require=["exp", "sub", "organization_id"], verify_aud=bool(settings.JWT_AUDIENCE)
        ),
    )
    for name in ("sub", "organization_id"):
        if not is_id(claims[name]):
            raise jwt.InvalidTokenError(f"{name} must be a string of 1 to {LONGEST_ID} characters.")
    if not isinstance(claims.get("scope", ""), str):
        raise jwt.InvalidTokenError("scope must be a string.")
    return claims


def is_id(value: object) -> bool:
    """Return whether an id of another service can be stored and printed."""
    return isinstance(value, str) and 1 <= len(value) <= LONGEST_ID and value.isprintable()


def issue(*, organization_id: str, subject: str, scope: str, lifetime: timedelta) -> str:
    """Return a token signed with the shared secret, for development and for trusted services.

    Raises ImproperlyConfigured if the service would not accept such a token, and ValueError for an
    id that is empty or too long.
    """
    if settings.JWT_JWKS_URL or not settings.JWT_SECRET:
        raise ImproperlyConfigured(
            "Set JWT_SECRET, and leave JWT_JWKS_URL empty, to issue tokens: "
            "with JWT_JWKS_URL, the identity provider issues them."
        )
    for value in (organization_id, subject):
        if not is_id(value):
            raise ValueError(f"{value!r} is not a string of 1 to {LONGEST_ID} characters.")
    now = timezone.now()
    claims = {
        "sub": subject,
        "organization_id": organization_id,
        "scope": scope,
        "iat": now,
        "exp": now + lifetime,
    }
    if settings.JWT_ISSUER:
        claims["iss"] = settings.JWT_ISSUER
    if settings.JWT_AUDIENCE:
        claims["aud"] = settings.JWT_AUDIENCE
    return jwt.encode(claims, settings.JWT_SECRET, algorithm="HS256")
