"""Fulfillments in the admin, and the pick screen for a phone with a scanner."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast
from uuid import uuid4

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from rest_framework.serializers import CharField

import orders.selectors
from config.admin.columns import badge, words
from config.admin.commands import Command
from config.admin.documents import printed
from config.admin.filters import CreatedFilter
from config.admin.pages import Lines, tab
from config.admin.queues import Queue, QueueFilter
from config.api import bulkheads, problems
from config.api.serializers import ExternalId, Quantity, StrictSerializer
from config.core import request_context
from config.core.exceptions import DomainError
from config.core.unit_of_work import unit_of_work
from events.admin.aggregates import AggregateAdmin, stream
from fulfillment import documents, selectors, serializers, services
from fulfillment.exceptions import NotInFulfillment
from fulfillment.models import Fulfillment, FulfillmentItem, Pick

JSON = "application/json"

STATUS = badge(
    "status", {"open": "warning", "started": "info", "packed": "success", "cancelled": "danger"}
)
HOLD = badge("on hold", {"held": "warning"}, lambda row: "held" if row.order.is_held() else "-")

SIZES = ("length", "width", "height")
DOCUMENTS = {"pick-list": documents.pick_list, "packing-slip": documents.packing_slip}


class Scan(StrictSerializer):
    """A scanned code. With a reason, its units are reported short."""

    code = CharField(max_length=64)  # a variant's id, or the id of an order line
    quantity = Quantity(default=1)
    scan_id = ExternalId()
    reason = CharField(max_length=200, required=False)


def line_choices(fulfillment: Fulfillment) -> Mapping[str, list[tuple[str, str]]]:
    """Return the lines to choose from."""
    return {
        "order_item_id": [
            (line.order_item_id, f"{line} ({line.title})")
            for line in fulfillment.lines
            if line.quantity
        ]
    }


def new_scan_id(fulfillment: Fulfillment) -> Mapping[str, str]:
    """Return a scan id, so that a form that is sent twice counts once."""
    return {"scan_id": str(uuid4())}


def movable_units(fulfillment: Fulfillment) -> Mapping[str, object]:
    """Return a form row for each line with units that are not picked."""
    return _rows({line: line.movable_quantity for line in fulfillment.lines})


def short_units(fulfillment: Fulfillment) -> Mapping[str, object]:
    """Return a form row for each line with short units."""
    return _rows({line: line.short_quantity for line in fulfillment.lines})


def _rows(units: Mapping[FulfillmentItem, int]) -> Mapping[str, object]:
    return {
        "items": [
            {"order_item_id": line.order_item_id, "quantity": quantity}
            for line, quantity in units.items()
            if quantity
        ]
    }


class FulfillmentItems(Lines):
    model = FulfillmentItem
    verbose_name_plural = _("lines")
    fields = readonly_fields = ["title", "variant_id", *FulfillmentItem.UPDATE_FIELDS]


class Picks(Lines):
    model = Pick
    fields = readonly_fields = [
        "order_item_id",
        "quantity",
        "short_reason",
        "picked_by",
        "picked_at",
        "scan_id",
    ]


def _print(render: Callable[[Fulfillment], bytes], row: Fulfillment) -> bytes:
    """Return a document of a fulfillment. Raises Busy, NotPrintable."""
    with bulkheads.rendering_of(row.organization_id):
        return render(row)


@admin.register(Fulfillment)
class FulfillmentAdmin(AggregateAdmin):
    """Operators who may change fulfillments pick on a page of its own, `<id>/pick/`."""

    icon = "inventory_2"
    prints = {
        "print_pick_lists": (_("Print pick lists"), partial(_print, documents.pick_list)),
        "print_packing_slips": (_("Print packing slips"), partial(_print, documents.packing_slip)),
    }
    commands = {
        "start": Command(
            services.start_fulfillment,
            serializers.FulfillmentStart,
            label=_("Start picking"),
            done=_("Fulfillment {row} was started."),
            icon="play_arrow",
            description=_("Start picking in the warehouse."),
            bulk=True,
        ),
        "pick": Command(
            services.pick_item,
            serializers.ManualPick,
            label=_("Pick"),
            done=_("The pick of fulfillment {row} was recorded."),
            start=new_scan_id,
            choices=line_choices,
            icon="barcode_scanner",
            description=_("Record units that were picked, without a scanner."),
        ),
        "short": Command(
            services.report_short,
            serializers.ShortReport,
            label=_("Report short units"),
            done=_("The short units of fulfillment {row} were reported."),
            start=new_scan_id,
            choices=line_choices,
            icon="search_off",
            description=_(
                "Report units that are missing or unusable, to move them or to write them off."
            ),
        ),
        "pack": Command(
            services.pack_fulfillment,
            serializers.FulfillmentPack,
            label=_("Pack"),
            done=_("Fulfillment {row} was packed."),
            icon="package_2",
            description=_("Pack all picked units. Every unit must be picked or reported short."),
        ),
        "move": Command(
            services.move_units,
            serializers.FulfillmentMove,
            label=_("Move units"),
            done=_("Units of fulfillment {row} were moved."),
            start=movable_units,
            choices=line_choices,
            icon="move_up",
            description=_("Let another warehouse send units that are not picked here."),
        ),
        "write-off": Command(
            services.write_off_short_units,
            serializers.FulfillmentWriteOff,
            label=_("Write off units"),
            done=_("Units of fulfillment {row} were written off."),
            start=short_units,
            choices=line_choices,
            icon="remove_shopping_cart",
            description=_("Give up short units that no warehouse has. The customer gets a refund."),
            ends=True,
        ),
        "unpack": Command(
            services.unpack_fulfillment,
            label=_("Unpack"),
            done=_("Fulfillment {row} was unpacked."),
            icon="shelves",
            description=_("Confirm that the picked units are back on the shelf."),
            bulk=True,
        ),
    }
    queues = (
        Queue("to-pick", _("To pick"), selectors.TO_PICK, "shelves"),
        Queue("to-pack", _("To pack"), selectors.TO_PACK, "package_2"),
        Queue(
            "short", _("Short units to move or write off"), selectors.WITH_SHORT_UNITS, "search_off"
        ),
        Queue("to-unpack", _("Cancelled: back on the shelf"), selectors.TO_UNPACK, "move_to_inbox"),
    )
    list_display = [
        "id",
        STATUS,
        "pick_link",
        stream,
        "warehouse_id",
        HOLD,
        "assigned_to",
        "created_at",
    ]
    list_filter = [QueueFilter, "status", ("created_at", CreatedFilter)]
    search_fields = ["id", "order__id", "warehouse_id", "organization_id"]
    search_help_text = _(
        "The full id of a fulfillment, order, warehouse or organization, or an order number"
    )
    inlines = [FulfillmentItems, Picks]
    fields = [
        ("id", STATUS),
        (stream, HOLD),
        ("organization_id", "warehouse_id"),
        ("created_at", "assigned_to"),
        "document_links",
    ]
    tabs = (
        tab(
            _("Packages"),
            ("package_sizes", "total_weight"),
            ("packed_by", "packed_at"),
        ),
        tab(
            _("History"),
            ("started_at", "cancelled_at"),
            ("cancellation_reason", "updated_at"),
        ),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Fulfillment], search_term: str
    ) -> tuple[QuerySet[Fulfillment], bool]:
        # A join with the orders would scan every fulfillment.
        if search_term and (found := orders.selectors.ids_by_number(search_term)):
            return queryset.filter(order__in=found), False
        rows, may_repeat = super().get_search_results(request, queryset, search_term)
        return rows, may_repeat

    def rows(self, request: HttpRequest) -> QuerySet[Fulfillment]:
        return selectors.with_lines()

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        return [
            path("<slug:object_id>/pick/", wrap(self.pick_view), name=f"{name}_pick"),
            path(
                "<path:object_id>/print/<slug:name>/", wrap(self.print_view), name=f"{name}_print"
            ),
            *super().get_urls(),
        ]

    @admin.display(description=_("packages"))
    def package_sizes(self, row: Fulfillment) -> str:
        shown = []
        for package in row.packages:
            size = " × ".join(package[side] for side in SIZES if package.get(side))
            shown.append(f"{package['weight']} kg{f' ({size} cm)' if size else ''}")
        return ", ".join(shown) or "-"

    @admin.display(description=_("documents"))
    def document_links(self, row: Fulfillment) -> SafeString:
        links = ((self._url("print", row.pk, name), words(name)) for name in DOCUMENTS)
        return format_html_join(
            " · ", '<a href="{}" class="console-link" target="_blank">{}</a>', links
        )

    def print_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Return a document as PDF to operators who may view fulfillments."""
        row = self.get_object(request, object_id)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        if row is None or name not in DOCUMENTS:
            raise Http404
        return printed(
            request,
            lambda: DOCUMENTS[name](row),
            organization_id=row.organization_id,
            name=f"{name}-{row.pk}",
            back=self._url("change", row.pk),
        )

    def button(self, row: Fulfillment, name: str) -> dict[str, Any]:
        page = {"path": self._url("pick", row.pk)} if name == "pick" else {}
        return super().button(row, name) | page

    @admin.display(description=_("pick"))
    def pick_link(self, row: Fulfillment) -> SafeString | str:
        if row.status not in Fulfillment.UNPACKED or row.is_picking_finished():
            return "-"
        url = self._url("pick", row.pk)
        return format_html('<a href="{}" class="console-link">{}</a>', url, _("Pick"))

    def pick_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the pick screen, or count a scan.

        The script gets JSON, with status 200 for a refusal too, because it retries errors.
        """
        row = self.get_object(request, object_id)
        if not self.has_command_permission(request, row):
            raise PermissionDenied
        if row is None:
            return cast(
                HttpResponse,
                self._get_obj_does_not_exist_redirect(request, self.opts, object_id),
            )
        if request.method != "POST":
            return TemplateResponse(request, "fulfillment/pick.html", self._context(request, row))
        request_context.set_actor(request.user.get_username(), organization_id=row.organization_id)
        text, is_refused = _handle_scan(row.pk, request.POST.dict())
        if request.get_preferred_type(["text/html", JSON]) == JSON:
            progress = _progress(selectors.get(row.pk))
            return JsonResponse({"text": text, "is_refused": is_refused, **progress})
        messages.add_message(request, messages.ERROR if is_refused else messages.SUCCESS, text)
        return redirect(self._url("pick", row.pk))

    def _context(self, request: HttpRequest, row: Fulfillment) -> dict[str, object]:
        return {
            "row": row,
            "lines": [line for line in row.lines if line.quantity],
            "progress": _progress(row),
            "scan_id": uuid4(),  # a form that is sent twice counts once
            "back": self._url("change", row.pk),
            **{name: self._url("command", row.pk, name) for name in ("start", "pack")},
        }


def _handle_scan(fulfillment_id: str, sent: dict[str, str]) -> tuple[str, bool]:
    """Count a scan. Return a message for the picker, and whether the scan was refused."""
    sent.pop("csrfmiddlewaretoken", None)
    scan = Scan(data=sent)
    if not scan.is_valid():
        errors = problems.messages(scan.errors)
        return " ".join(f"{words(name)}: {error}" for name, error in errors), True
    try:
        return _count_scan(fulfillment_id, **scan.validated_data), False
    except DomainError as error:
        return str(error), True


@unit_of_work()
def _count_scan(
    fulfillment_id: str, *, code: str, quantity: int, scan_id: str, reason: str | None = None
) -> str:
    line = _find_line(selectors.get_for_update(fulfillment_id), code, scan_id)
    units = {
        "fulfillment_id": fulfillment_id,
        "order_item_id": line.order_item_id,
        "quantity": quantity,
        "scan_id": scan_id,
    }
    try:
        if reason:
            services.report_short(**units, reason=reason)
            return _("{quantity} short: {title}").format(quantity=quantity, title=line.title)
        line = services.pick_item(**units).line(line.order_item_id)
        return _("{picked} of {quantity}: {title}").format(
            picked=line.picked_quantity, quantity=line.quantity, title=line.title
        )
    except DomainError as error:  # pickers know lines by their titles
        raise DomainError(str(error).replace(line.order_item_id, line.title)) from error


def _find_line(fulfillment: Fulfillment, code: str, scan_id: str) -> FulfillmentItem:
    """Return the line that a code refers to. Raises NotInFulfillment.

    If several lines have the code, a repeated scan gets its earlier line, and a new scan one with
    units to pick.
    """
    found = [line for line in fulfillment.lines if code in (line.variant_id, line.order_item_id)]
    if not found:
        raise NotInFulfillment(_("No line has the code {code}.").format(code=code))
    if pick := selectors.find_pick(fulfillment.pk, scan_id):
        found.sort(key=lambda line: line.order_item_id != pick.order_item_id)
    else:
        found.sort(key=lambda line: not line.unpicked_quantity)
    return found[0]


def _progress(row: Fulfillment) -> dict[str, object]:
    """Return the quantities that the pick screen shows."""
    lines = [line for line in row.lines if line.quantity]
    return {
        "status": row.status,
        "picked": sum(line.picked_quantity for line in lines),
        "quantity": sum(line.quantity for line in lines),
        "is_picking_finished": row.is_picking_finished(),
        "lines": [
            {
                "id": line.order_item_id,
                "picked": line.picked_quantity,
                "quantity": line.quantity,
                "short": line.short_quantity,
                "unpicked": line.unpicked_quantity,
            }
            for line in lines
        ],
    }
