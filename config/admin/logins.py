"""Logins to the admin: where they come from."""

import ipaddress

from django.http import HttpRequest
from rest_framework.throttling import BaseThrottle

from config.api.throttling import network_of


def client_address(request: HttpRequest) -> str | None:
    """Return the address that failed logins count for: an IPv4 address, or an IPv6 network.

    `TRUSTED_PROXIES` says which proxies are believed. None if the address is malformed.
    """
    network = network_of(BaseThrottle().get_ident(request))  # type: ignore[arg-type]
    try:
        return str(ipaddress.ip_network(network).network_address)
    except ValueError:
        return None
