"""The overview and the sidebar, built from the registered admins."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return a group of links for each app, with the models that the operator may view."""
    return [
        {"items": [{"title": "Overview", "icon": "home", "link": reverse("admin:index")}]},
        *(
            {
                "title": app["name"],
                "separator": True,
                "items": [
                    {
                        "title": model["name"],
                        "icon": _page(model).icon,
                        "link": model["admin_url"],
                    }
                    for model in app["models"]
                ],
            }
            for app in _in_order(admin.site.get_app_list(request))
        ),
    ]


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the work queues, with the number of rows in each."""
    cards = [
        {
            "title": queue.title,
            "icon": queue.icon,
            "count": queue.length(_page(model).get_queryset(request)),
            "link": f"{model['admin_url']}?queue={queue.key}",
        }
        for app in _in_order(context["app_list"])
        for model in app["models"]
        for queue in getattr(_page(model), "queues", ())
    ]
    return context | {"title": "Overview", "cards": cards}


def _page(model: dict[str, Any]) -> Any:
    return admin.site.get_model_admin(model["model"])


def _in_order(app_list: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the apps in the order of INSTALLED_APPS, with `auth` last."""
    labels = [config.label for config in apps.get_app_configs()]
    return sorted(
        app_list, key=lambda app: (app["app_label"] == "auth", labels.index(app["app_label"]))
    )
