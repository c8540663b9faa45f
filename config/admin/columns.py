"""Values as operators read them."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from config.core.money import money
from events.aggregate import Aggregate

Column = Callable[[Any], Any]


def amount(name: str, *, currency: str = "currency") -> Column:
    """An amount with its currency's decimals: `125.50 USD`. `currency` is the path to the code."""

    def show(row: Any) -> str:
        code = row
        for step in currency.split("."):
            code = getattr(code, step)
        return f"{money(getattr(row, name), code)} {code}"

    return _named(name, show)


def badge(
    name: str, colours: Mapping[str, str], value: Callable[[Any], str] | None = None
) -> Column:
    """A state as a coloured label; a colour is `info`, `success`, `warning` or `danger`."""

    def show(row: Any) -> str:
        return value(row) if value else str(getattr(row, name))

    return _named(name, display(label=dict(colours))(show))


def address(name: str) -> Column:
    """An address, a line for each of its parts."""

    def show(row: Any) -> SafeString | str:
        given = getattr(row, name)
        if not given:
            return "-"
        return format_html('<span class="console-lines">{}</span>', "\n".join(given.values()))

    return _named(name, show)


@admin.display(description="stream", ordering="stream")
def stream(row: Any) -> SafeString | str:
    """The order or the cart that a row of the kernel's is about, linked to its page."""
    prefix = row.stream.partition("_")[0]
    for model in admin.site._registry:
        if issubclass(model, Aggregate) and getattr(model._meta.pk, "prefix", None) == prefix:
            options = model._meta
            page = f"admin:{options.app_label}_{options.model_name}_change"
            url = reverse(page, args=[row.stream])
            return format_html('<a href="{}" class="console-link">{}</a>', url, row.stream)
    return str(row.stream)


def _named(name: str, show: Column) -> Column:
    show.__name__ = name
    return admin.display(description=name.replace("_", " "))(show)
