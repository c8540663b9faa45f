"""One command on many rows of a list: each is a transaction, and an outcome, of its own."""

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import OperationalError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from config.admin.columns import words
from config.admin.commands import Command
from config.core import request_context
from config.core.exceptions import DomainError

if TYPE_CHECKING:
    from config.admin.pages import ReadOnlyAdmin

AT_ONCE = 500  # rows of one run, for which a browser waits
TOLD = 50  # rows of which it is said why they were refused


def run(name: str, page: "ReadOnlyAdmin", request: HttpRequest, chosen: QuerySet[Any]) -> None:
    """Run a command on the rows that were ticked, in the order of their ids, and tell of each.

    A form that is sent twice, or by two operators at once, is no harm: a command that runs on many
    rows repeats in silence what stands already, or is refused.
    """
    rows = _rows(page, request, chosen)
    refused = []
    for key in rows[:AT_ONCE]:
        row = page.get_object(request, str(key))
        if row is None:
            refused.append(f"{key}: It is not there any more.")
        elif why := _refusal(page.commands[name], request, row):
            refused.append(f"{row}: {why}")
    tried = min(len(rows), AT_ONCE)
    outcome = f"{words(name)}: done for {tried - len(refused)} of {tried}."
    if len(rows) > AT_ONCE:
        outcome += " The list has more: run it again for those."
    messages.add_message(
        request, messages.SUCCESS if len(refused) < tried else messages.WARNING, outcome
    )
    for why in refused[:TOLD]:
        messages.error(request, why)
    if len(refused) > TOLD:
        messages.error(request, f"and {len(refused) - TOLD} more")


def _rows(page: "ReadOnlyAdmin", request: HttpRequest, chosen: QuerySet[Any]) -> list[Any]:
    """Return the ids. One that was ticked counts, though it has left the list since."""
    if request.POST.get("select_across") == "1":
        return list(chosen.order_by("pk").values_list("pk", flat=True)[: AT_ONCE + 1])
    ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
    return sorted(map(page.opts.pk.to_python, ticked))


def _refusal(command: Command, request: HttpRequest, row: Any) -> str | None:
    assert command.bulk, "only what may run on many rows is offered"
    form = command.form(row, command.bulk(request))
    if not form.is_valid():
        return "; ".join(
            f"{words(field)}: {error}" for field, errors in form.errors.items() for error in errors
        )
    request_context.set_actor(request.user.get_username(), organization_id=row.organization_id)
    try:
        with transaction.atomic():
            command.run(row, form.cleaned_data)
    except DomainError as error:
        return str(error)
    except OperationalError:  # two locks that crossed, or the database has gone: the rest goes on
        return "The database did not answer: try again."
    return None
