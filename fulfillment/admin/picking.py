"""The pick screen: a phone, a scanner, and one line after the other."""

from typing import Any, cast
from uuid import uuid4

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from rest_framework import serializers

from config.admin.columns import words
from config.api import problems
from config.api.serializers import ExternalId, Quantity, StrictSerializer
from config.core import request_context
from config.core.exceptions import DomainError
from events.admin.aggregates import AggregateAdmin
from fulfillment import selectors, services
from fulfillment.models import Fulfillment, FulfillmentItem, UnknownItem

JSON = "application/json"


class Scan(StrictSerializer):
    """A code that was scanned; with a reason, units of it that are not to be found."""

    code = serializers.CharField(max_length=64)  # a variant's, or the id of the order's line
    quantity = Quantity(default=1)
    scan_id = ExternalId()
    reason = serializers.CharField(max_length=200, required=False)


class PickScreen(AggregateAdmin):
    """Whoever may change fulfillments picks on a page of its own: `<id>/pick/`."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.pick_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_pick"
        return [path("<slug:object_id>/pick/", view, name=name), *super().get_urls()]

    def button(self, row: Fulfillment, name: str) -> dict[str, Any]:
        there = {"path": self._url("pick", row.pk)} if name == "pick" else {}
        return super().button(row, name) | there

    @admin.display(description="pick")
    def to_pick(self, row: Fulfillment) -> SafeString | str:
        if row.status not in Fulfillment.LIVE or row.is_all_looked_for():
            return "-"
        return format_html('<a href="{}" class="console-link">Pick</a>', self._url("pick", row.pk))

    def pick_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what is to be picked; count what was scanned, and say what came of it.

        A script is answered in JSON, 200 for a refusal too: it is an outcome, not to be retried.
        """
        if not self.has_command_permission(request):
            raise PermissionDenied
        row = self.get_object(request, object_id)
        if row is None:
            return cast(
                HttpResponse,
                self._get_obj_does_not_exist_redirect(request, self.opts, object_id),
            )
        if request.method != "POST":
            return TemplateResponse(request, "fulfillment/pick.html", self._shown(request, row))
        request_context.set_actor(request.user.get_username(), organization_id=row.organization_id)
        text, is_refused = _take(row.pk, request.POST.dict())
        if request.get_preferred_type(["text/html", JSON]) == JSON:
            now = selectors.with_lines().get(pk=row.pk)
            return JsonResponse({"text": text, "is_refused": is_refused, **_state(now)})
        messages.add_message(request, messages.ERROR if is_refused else messages.SUCCESS, text)
        return redirect(self._url("pick", row.pk))

    def _shown(self, request: HttpRequest, row: Fulfillment) -> dict[str, Any]:
        return {
            "row": row,
            "lines": [line for line in row.lines if line.quantity],
            "state": _state(row),
            "scan_id": uuid4(),  # of whichever form is sent: one that is sent twice counts once
            "back": self._url("change", row.pk),
            **{name: self._url("command", row.pk, name) for name in ("start", "pack")},
        }


def _take(fulfillment_id: str, sent: dict[str, Any]) -> tuple[str, bool]:
    """Return what came of a scan, in words, and whether it was refused."""
    sent.pop("csrfmiddlewaretoken", None)
    asked = Scan(data=sent)
    if not asked.is_valid():
        errors = problems.messages(asked.errors)
        return " ".join(f"{words(name)}: {error}" for name, error in errors), True
    try:
        return _count(fulfillment_id, **asked.validated_data), False
    except DomainError as error:
        return str(error), True


@transaction.atomic
def _count(
    fulfillment_id: str, *, code: str, quantity: int, scan_id: str, reason: str | None = None
) -> str:
    line = _line(selectors.lock(fulfillment_id), code, scan_id)
    units = {
        "fulfillment_id": fulfillment_id,
        "order_item_id": line.order_item_id,
        "quantity": quantity,
        "scan_id": scan_id,
    }
    try:
        if reason:
            services.report_short(**units, reason=reason)
            return f"{quantity} short: {line.title}"
        line = services.pick_item(**units).line(line.order_item_id)
        return f"{line.picked} of {line.quantity}: {line.title}"
    except DomainError as error:  # nobody knows a line by its id
        raise DomainError(str(error).replace(line.order_item_id, line.title)) from error


def _line(fulfillment: Fulfillment, code: str, scan_id: str) -> FulfillmentItem:
    """Return the line that a code means: of several, one of which units are to be picked.

    A scan that comes again means the line that it has meant. Raises UnknownItem.
    """
    found = [line for line in fulfillment.lines if code in (line.variant_id, line.order_item_id)]
    if not found:
        raise UnknownItem(f"Nothing here has the code {code}.")
    if seen := selectors.scanned(fulfillment.pk, scan_id):
        found.sort(key=lambda line: line.order_item_id != seen.order_item_id)
    else:
        found.sort(key=lambda line: not line.unpicked)
    return found[0]


def _state(row: Fulfillment) -> dict[str, Any]:
    """Return how far everything has come, as the page shows it."""
    lines = [line for line in row.lines if line.quantity]
    return {
        "status": row.status,
        "picked": sum(line.picked for line in lines),
        "quantity": sum(line.quantity for line in lines),
        "is_all_looked_for": row.is_all_looked_for(),
        "lines": [
            {
                "id": line.order_item_id,
                "picked": line.picked,
                "quantity": line.quantity,
                "short": line.short,
                "unpicked": line.unpicked,
            }
            for line in lines
        ],
    }
