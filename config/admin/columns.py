"""Columns of the admin: amounts, statuses, addresses and JSON."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from config.core.client_data import ClientData
from config.core.money import money
from config.pdf import language

Column = Callable[[Any], Any]


def amount(
    name: str, *, currency: str = "currency", written: Callable[[Decimal, str], Decimal] = money
) -> Column:
    """Return a column with an amount: `125.50 USD`. `currency` is the path to the code."""

    def show(row: Any) -> str:
        if getattr(row, name) is None:
            return "-"
        code = row
        for step in currency.split("."):
            code = getattr(code, step)
        return f"{written(getattr(row, name), code)} {code}"

    return _named(name, show)


def taxes(name: str, *, rate: str) -> Column:
    """Return a column with the taxes that are stored, or the rate of one without a name."""

    def show(row: Any) -> str:
        stored = getattr(row, name) or [{"rate": getattr(row, rate)}]
        return "\n".join(map(_tax, stored))

    return _named(name, show)


def _tax(tax: Mapping[str, Any]) -> str:
    percent = f"{(Decimal(tax['rate']) * 100).normalize():f} %"
    exemption = words(tax.get("exemption") or "")
    known = (tax.get("name"), percent, tax.get("amount"), exemption, tax.get("note"))
    return " ".join(filter(None, known))


@admin.display(description=_("metadata"))
def metadata(row: ClientData) -> str:
    """Return the metadata, an entry on each line."""
    return "\n".join(f"{name}: {value}" for name, value in row.metadata.items()) or "-"


@admin.display(description=_("details"))
def details(line: ClientData) -> str:
    """Return what a client stored with a line: metadata, a reference and notes."""
    texts = {
        _("Reference"): line.external_reference,
        _("Customer's note"): line.customer_note,
        _("Internal note"): line.internal_note,
    }
    entries = {**line.metadata, **{label: text for label, text in texts.items() if text}}
    return "\n".join(f"{name}: {value}" for name, value in entries.items()) or "-"


def badge(
    name: str, colors: Mapping[str, str], value: Callable[[Any], str] | None = None
) -> Column:
    """Return a column with a colored label; a color is `info`, `success`, `warning` or `danger`."""

    def show(row: Any) -> str:
        return value(row) if value else str(getattr(row, name))

    return _named(name, display(label=dict(colors))(show))


def address(name: str) -> Column:
    """Return a column with an address, one line for each of its parts."""

    def show(row: Any) -> SafeString | str:
        given = getattr(row, name)
        if not given:
            return "-"
        contact = [given[part] for part in ("tax_id", "email", "phone") if given.get(part)]
        lines = [*language.address(given).values(), *contact]
        return format_html('<span class="console-lines">{}</span>', "\n".join(lines))

    return _named(name, show)


def code(name: str) -> Column:
    """Return a column with JSON."""

    def show(row: Any) -> SafeString:
        text = json.dumps(getattr(row, name), indent=2, ensure_ascii=False)
        return format_html('<pre class="console-code">{}</pre>', text)

    return _named(name, show)


def words(name: str) -> str:
    """Return a name as people write it: `cancellation_reason` is “Cancellation reason”."""
    return name.replace("_", " ").replace("-", " ").capitalize()


def _named(name: str, show: Column) -> Column:
    show.__name__ = name
    return admin.display(description=name.replace("_", " "))(show)
