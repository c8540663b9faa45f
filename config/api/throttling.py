"""The rate limit of each caller."""

import hashlib
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from config.api.authentication import Caller


class PerCaller(SimpleRateThrottle):
    """`API_THROTTLE` requests of one subject of an organization, or of one address without one.

    Counts are in Django's cache: with the default one, each process counts for itself.
    """

    scope = "api"

    def get_rate(self) -> str | None:
        """None is no limit."""
        return settings.API_THROTTLE or None

    def get_cache_key(self, request: Request, view: Any) -> str:
        caller: object = request.user
        who = (
            (caller.organization_id, caller.subject)
            if isinstance(caller, Caller)
            else (self.get_ident(request),)
        )
        ident = hashlib.sha256(repr(who).encode()).hexdigest()  # not every cache takes every key
        return self.cache_format % {"scope": self.scope, "ident": ident}
