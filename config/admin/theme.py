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
