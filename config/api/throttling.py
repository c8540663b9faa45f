"""The rate limit of each caller."""

import hashlib
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from config.api.authentication import Caller


class PerCaller(SimpleRateThrottle):
    """At most `API_THROTTLE` requests for each subject of an organization.

    Requests without a valid token are counted by address. The counts are in Django's cache; with
    the default cache, each process has its own.
    """

    scope = "api"

    def get_rate(self) -> str | None:
        """Return the rate, or None for no limit."""
        return settings.API_THROTTLE or None

    def get_cache_key(self, request: Request, view: Any) -> str:
        caller: object = request.user
        identity = (
            (caller.organization_id, caller.identity)
            if isinstance(caller, Caller)
            else (self.get_ident(request),)
        )
        ident = hashlib.sha256(repr(identity).encode()).hexdigest()  # a cache may restrict keys
        return self.cache_format % {"scope": self.scope, "ident": ident}
