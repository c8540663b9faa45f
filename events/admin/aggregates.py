"""The admin's page of an aggregate: its commands as buttons, its events as a timeline."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from config.admin.pages import ReadOnlyAdmin
from events.admin import timeline
from events.aggregate import Aggregate, Transition


class AggregateAdmin(ReadOnlyAdmin):
    """The page of an aggregate: buttons for the allowed transitions, its events as a timeline.

    `commands` has an entry for each verb of the transition table. A transition without a verb may
    have an entry under its name.
    """

    change_form_outer_after_template = "events/timeline.html"

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        *args: Any,
        obj: Any = None,
        **kwargs: Any,
    ) -> HttpResponse:
        context["timeline"], context["has_older"] = timeline.of(obj.stream)
        context["removed_at"] = timeline.removed_at(obj.stream)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def allowed(self, row: Aggregate) -> list[str]:
        names = (_name(each) for each in row.transitions() if not each.blocked_by(row))
        return [name for name in dict.fromkeys(names) if name in self.commands]


def _name(row: Transition) -> str:
    return (row.verb or row.name).replace("_", "-")


def link(name: str, description: str) -> Callable[[Any], str]:
    """Return a column that shows an aggregate's id, linked to its page."""

    @admin.display(description=description, ordering=name)
    def show(row: Any) -> str:
        value = getattr(row, name)
        prefix = str(value).partition("_")[0]
        for model in admin.site._registry:
            if issubclass(model, Aggregate) and getattr(model._meta.pk, "prefix", None) == prefix:
                options = model._meta
                page = f"admin:{options.app_label}_{options.model_name}_change"
                url = reverse(page, args=[value])
                return format_html('<a href="{}" class="console-link">{}</a>', url, value)
        return str(value or "-")

    show.__name__ = name
    return show


stream = link("stream", "stream")
