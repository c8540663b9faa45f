"""A command on many rows of a list. Each row has its own transaction and its own outcome."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from config.admin.commands import Command
from config.admin.labels import label
from config.admin.organizations import Organizations
from config.api import bulkheads
from config.api.pdf import pdf
from config.core import request_context
from config.core.exceptions import DomainError
from config.core.unit_of_work import unit_of_work
from config.pdf.rendering import together

if TYPE_CHECKING:
    from config.admin.pages import ReadOnlyAdmin

BATCH_SIZE = 500  # rows in one request, for which a browser waits
MAX_MESSAGES = 50  # rows whose error is shown
MAX_PRINTED = 50  # rows whose documents are printed by one request


def run(name: str, page: "ReadOnlyAdmin", request: HttpRequest, chosen: QuerySet[Any]) -> None:
    """Run a command on the selected rows in the order of their ids, and report the errors.

    Submitting the list twice is harmless: such a command has no effect the second time, or fails.
    """
    rows = _rows(page, request, chosen)
    refused = []
    for key in rows[:BATCH_SIZE]:
        row = page.get_object(request, str(key))
        if row is None:
            refused.append(gettext("{id} no longer exists.").format(id=key))
        elif not page.may_run(request, page.commands[name], row):
            refused.append(gettext("{row}: you do not have this permission.").format(row=row))
        elif why := _refusal(page.commands[name], request, row):
            refused.append(f"{row}: {why}")
    tried = min(len(rows), BATCH_SIZE)
    outcome = gettext("{command}: {done} of {all} rows done.").format(
        command=page.commands[name].label, done=tried - len(refused), all=tried
    )
    if len(rows) > BATCH_SIZE:
        outcome += " " + gettext("The list has more: run the command again.")
    messages.add_message(
        request, messages.SUCCESS if len(refused) < tried else messages.WARNING, outcome
    )
    for why in refused[:MAX_MESSAGES]:
        messages.error(request, why)
    if len(refused) > MAX_MESSAGES:
        messages.error(request, gettext("and {n} more").format(n=len(refused) - MAX_MESSAGES))


def print_rows(
    render: Callable[[Any], bytes],
    page: "ReadOnlyAdmin",
    request: HttpRequest,
    chosen: QuerySet[Any],
) -> HttpResponse | None:
    """Return the documents of the selected rows as one PDF, and report the errors."""
    rows = _rows(page, request, chosen)
    pdfs, refused = [], []
    for key in rows[:MAX_PRINTED]:
        row = page.get_object(request, str(key))
        if row is None or not page.has_view_permission(request, row):
            refused.append(gettext("{id} no longer exists.").format(id=key))
            continue
        try:
            pdfs.append(render(row))
        except (DomainError, bulkheads.Busy, FileNotFoundError) as error:
            refused.append(f"{row}: {error}")
    if len(rows) > MAX_PRINTED:
        message = gettext("Only {n} rows are printed at once.").format(n=MAX_PRINTED)
        messages.warning(request, message)
    for why in refused:
        messages.error(request, why)
    return pdf(together(pdfs), name=page.opts.model_name or "") if pdfs else None


def _rows(page: "ReadOnlyAdmin", request: HttpRequest, chosen: QuerySet[Any]) -> list[Any]:
    """Return the ids of the selected rows, including rows that have left the list since."""
    if request.POST.get("select_across") == "1":
        return list(chosen.order_by("pk").values_list("pk", flat=True)[: BATCH_SIZE + 1])
    ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
    return sorted(map(page.opts.pk.to_python, ticked))


def _refusal(command: Command, request: HttpRequest, row: Any) -> str | None:
    form = command.form(row, {}, within=Organizations(frozenset([row.organization_id])))
    if not form.is_valid():
        return "; ".join(
            f"{label(field)}: {error}" for field, errors in form.errors.items() for error in errors
        )
    request_context.set_actor(request.user.get_username(), organization_id=row.organization_id)
    try:
        with unit_of_work():
            command.run(row, form.cleaned_data)
    except DomainError as error:
        return str(error)
    except OperationalError:  # a deadlock, or a lost connection: continue with the other rows
        return gettext("The database did not respond: try again.")
    return None
