"""Settings of django-unfold."""

from django.templatetags.static import static

SETTINGS = {
    "SITE_TITLE": "Order Service",
    "SITE_HEADER": "Order Service",
    "SITE_SYMBOL": "package_2",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "href": lambda request: static("console/icon.svg"), "type": "image/svg+xml"}
    ],
    "STYLES": [lambda request: static("console/console.css")],
    "DASHBOARD_CALLBACK": "events.admin.dashboard.overview",
    "SIDEBAR": {"navigation": "config.admin.dashboard.sidebar"},
}
