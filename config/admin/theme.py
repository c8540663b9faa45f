"""Settings of django-unfold."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

SETTINGS: dict[str, Any] = {
    "SITE_TITLE": "Order Service",
    "SITE_HEADER": "Order Service",
    "SITE_SYMBOL": "package_2",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "href": lambda request: static("console/icon.svg"), "type": "image/svg+xml"}
    ],
    "STYLES": [lambda request: static("console/console.css")],
    "DASHBOARD_CALLBACK": "events.admin.dashboard.overview",
    "LOGIN": {"form": "config.admin.second_factor.LoginForm"},
    "ACCOUNT": {
        "navigation": [
            {"title": _("Change password"), "link": reverse_lazy("admin:password_change")},
            {"title": _("Second factor"), "link": reverse_lazy("admin:second_factor")},
        ]
    },
    "SIDEBAR": {"navigation": "config.admin.dashboard.sidebar"},
}

# The styles in Unfold's pages: its colors, and those that htmx adds. If another version of Unfold
# has others, the tests in the browser fail and name their hashes.
_STYLES = (
    "'sha256-CftXQ/6rIQ3AMOrJUsQzoK+KGLgk4scJJlfXyvE/1mQ=' "
    "'sha256-bsV5JivYxvGywDAZ22EZJKBFip65Ng9xoJVLbBg7bdo='"
)
# Alpine, with which Unfold's pages are made, evaluates the expressions in their attributes.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "connect-src 'self'; font-src 'self'; img-src 'self' data:; "
    f"script-src 'self' 'unsafe-eval'; style-src 'self' {_STYLES}"
)
