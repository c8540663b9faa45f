"""What operators do with the data of the customer whom an order or a cart belongs to."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from config.admin.commands import Command
from config.core.client_data import has_line, has_metadata
from events.admin.aggregates import AggregateAdmin
from events.operations import people

REFERENCES = ("external_reference", "purchase_order_number")
MAX_FOUND = 100  # rows that a search finds by their metadata or lines
COMMANDS = {
    "export": Command(
        people.export_owner,
        label=_("Export customer"),
        done=_("The data of the customer of {row} was exported."),
        description=_("Download everything that is held about the customer."),
        icon="download",
        permission="events.export_customer",
    ),
    "erase": Command(
        people.erase_owner,
        label=_("Erase customer"),
        done=_("The personal data of the customer of {row} was erased."),
        description=_(
            "Erase the customer's names, addresses, e-mail addresses, signatures, photos and notes "
            "in all their orders and carts. Invoices stay. This cannot be undone."
        ),
        icon="person_off",
        ends=True,
        permission="events.erase_customer",
    ),
}


class OwnerAdmin(AggregateAdmin):
    """The page of an order or a cart. `COMMANDS` are among its commands.

    A search also finds an entry of the metadata, as `name:value`, and the reference of a line.
    """

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        rows, may_repeat = super().get_search_results(request, queryset, search_term)
        if not (entry := search_term.strip()):
            return rows, may_repeat
        ids = list[str]()  # read first, because these conditions in OR would read all rows
        for found in (has_line, *([has_metadata] if ":" in entry else [])):
            known = queryset.filter(found(self.model, entry))
            ids += known.values_list("pk", flat=True)[:MAX_FOUND]
        return (rows | queryset.filter(pk__in=ids) if ids else rows), may_repeat

    def allowed(self, row: Any) -> list[str]:
        return [*super().allowed(row), "export"]

    def command_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Answer an export with a file; it changes nothing, so it needs no form."""
        if name == "export" and (row := self.get_object(request, object_id)):
            command = self.commands[name]
            if self.may_run(request, command, row):
                file = {"Content-Disposition": f'attachment; filename="{row.pk}-customer.json"'}
                return HttpResponse(command.run(row, {}), "application/json", headers=file)
        return super().command_view(request, object_id, name)
