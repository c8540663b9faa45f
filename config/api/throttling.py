"""The rate limit of each caller: see docs/adr/0015."""

import hashlib
import ipaddress
import math
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config.api.authentication import Caller
from config.api.counters import counters
from config.api.pagination import PAGE_SIZE, NewestFirst

WINDOWS = {"sec": 1, "min": 60, "hour": 3600, "day": 86_400}  # seconds
EXPANDED_ROWS = 5  # that count as one request; without `expand`, PAGE_SIZE


class PerCaller(BaseThrottle):
    """At most `API_THROTTLE` requests for each subject of an organization.

    Requests without a valid token are counted by address, IPv6 by network of 64 bits. Every
    response has the headers of draft-ietf-httpapi-ratelimit-headers-11.
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        if not settings.API_THROTTLE:
            return True
        quota, _, unit = settings.API_THROTTLE.partition("/")
        limit, window = int(quota), WINDOWS[unit]
        cost = min(cost_of(request, view), limit)
        usage = counters.take(self._key(request), cost, limit=limit, window=window)
        self._reset = usage.reset
        request._request.rate_limit = {  # type: ignore[attr-defined]
            "RateLimit-Policy": f'"default";q={limit};w={window}',
            "RateLimit": f'"default";r={usage.remaining};t={usage.reset}',
        }
        return usage.is_allowed

    def wait(self) -> float:
        return self._reset

    def _key(self, request: Request) -> str:
        caller: object = request.user
        identity = (
            (caller.organization_id, caller.identity)
            if isinstance(caller, Caller)
            else (network_of(self.get_ident(request)),)
        )
        return hashlib.sha256(repr(identity).encode()).hexdigest()


def network_of(address: str) -> str:
    """Return an IPv4 address as it is, and the network of an IPv6 address: a host has all of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def cost_of(request: Request, view: Any) -> int:
    """Return as how many requests a request counts: a list by the rows that it asks for."""
    if getattr(view, "action", None) != "list":
        return 1
    size = request.query_params.get(NewestFirst.page_size_query_param, "")
    rows = min(int(size), NewestFirst.max_page_size) if size.isdecimal() else PAGE_SIZE
    each = EXPANDED_ROWS if "expand" in request.query_params else PAGE_SIZE
    return max(math.ceil(rows / each), 1)
