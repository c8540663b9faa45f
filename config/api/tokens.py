"""Bearer tokens: who calls, for which organization, and what they may do."""

import math
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from json import JSONDecodeError
from typing import Any

import jwt
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from jwt.types import Options

from config.api.revocation import revocations
from config.core.ids import new_id

LONGEST_ID = 64
PAUSE = 5.0  # seconds after the identity provider did not respond


class KeysUnavailable(Exception):
    """The identity provider's keys cannot be fetched, so that no token can be verified."""


class KeySet(jwt.PyJWKClient):
    """The identity provider's keys. Tokens with unknown keys, which anyone can send, wait alone.

    PyJWT holds a lock while it fetches the keys, also for tokens whose key it knows, and tries
    again with each unknown key until the identity provider responds.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout=5)
        self._failed_at = -math.inf

    def get_signing_key(self, kid: str) -> jwt.PyJWK:
        assert self.jwk_set_cache
        known = self.jwk_set_cache.get()
        key = known and self.match_kid(self._get_signing_keys_from_jwk_set(known), kid)
        return key or super().get_signing_key(kid)

    def fetch_data(self) -> Any:
        if time.monotonic() < self._failed_at + PAUSE:
            raise jwt.PyJWKClientConnectionError("The identity provider did not respond.")
        try:
            return super().fetch_data()
        except Exception:
            self._failed_at = time.monotonic()
            raise


@lru_cache(maxsize=1)
def _key_set(url: str) -> KeySet:
    return KeySet(url)


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
    if settings.JWT_JWKS_URL:
        # Never together with HS256: a public key used as its secret would verify forged tokens.
        claims = _decode(token, _public_key(token), ["RS256", "ES256"])
    else:
        claims = _decode_with_secrets(token)
    bound = {"customer_id", "session_id"} & claims.keys()
    for name in ("sub", "organization_id", *sorted(bound)):
        if not is_id(claims[name]):
            raise jwt.InvalidTokenError(f"{name} must be a string of 1 to {LONGEST_ID} characters.")
    if not isinstance(claims.get("scope", ""), str):
        raise jwt.InvalidTokenError("scope must be a string.")
    if int(claims["exp"]) > time.time() + settings.JWT_MAX_LIFETIME:
        raise jwt.InvalidTokenError(
            f"exp must be at most {settings.JWT_MAX_LIFETIME} seconds ahead."
        )
    if revocations.include(claims):
        raise jwt.InvalidTokenError("the token is revoked.")
    return claims


def _decode_with_secrets(token: str) -> dict[str, Any]:
    """Try the current secret and the earlier ones, whose tokens are valid until they expire."""
    for secret in (settings.JWT_SECRET, *settings.JWT_SECRET_FALLBACKS):
        with suppress(jwt.InvalidSignatureError):
            return _decode(token, secret, ["HS256"])
    raise jwt.InvalidSignatureError("Signature verification failed")


def _decode(token: str, key: jwt.PyJWK | str, algorithms: list[str]) -> dict[str, Any]:
    return jwt.decode(
        token,
        key,
        algorithms=algorithms,
        issuer=settings.JWT_ISSUER or None,
        audience=settings.JWT_AUDIENCE or None,
        options=Options(
            require=["exp", "sub", "organization_id"], verify_aud=bool(settings.JWT_AUDIENCE)
        ),
    )


def is_id(value: object) -> bool:
    """Return whether an id of another service can be stored and printed."""
    return isinstance(value, str) and 1 <= len(value) <= LONGEST_ID and value.isprintable()


def issue(*, organization_id: str, subject: str, scope: str, lifetime: timedelta) -> str:
    """Return a token signed with the shared secret, for development and for trusted services.

    Raises ImproperlyConfigured if the service would not accept such a token, and ValueError for an
    id that is empty or too long, or a lifetime beyond JWT_MAX_LIFETIME.
    """
    if settings.JWT_JWKS_URL or not settings.JWT_SECRET:
        raise ImproperlyConfigured(
            "Set JWT_SECRET, and leave JWT_JWKS_URL empty, to issue tokens: "
            "with JWT_JWKS_URL, the identity provider issues them."
        )
    for value in (organization_id, subject):
        if not is_id(value):
            raise ValueError(f"{value!r} is not a string of 1 to {LONGEST_ID} characters.")
    if lifetime > timedelta(seconds=settings.JWT_MAX_LIFETIME):
        raise ValueError(f"A token lives for at most {settings.JWT_MAX_LIFETIME} seconds.")
    now = timezone.now()
    claims = {
        "jti": new_id("tok"),
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
