"""Logins to the admin: where they come from, and the answer to too many that fail."""

import ipaddress

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
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


def locked_out(request: HttpRequest, response: HttpResponse, credentials: object) -> HttpResponse:
    """Return the page that replaces the response to a login of a locked account or address."""
    context = admin.site.each_context(request)
    page = render(request, "console/locked_out.html", context, status=429)
    page["Retry-After"] = int(settings.AXES_COOLOFF_TIME.total_seconds())
    return page
