"""Fulfillments as operators see them."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

import orders.selectors
from config.admin.columns import badge, words
from config.admin.commands import Command
from config.admin.filters import CreatedFilter
from config.admin.pages import Lines, tab
from config.admin.queues import Queue, QueueFilter
from config.api.pdf import pdf
from events.admin.aggregates import stream
from fulfillment import documents, selectors, serializers, services
from fulfillment.admin.picking import PickScreen
from fulfillment.models import Fulfillment, FulfillmentItem, Pick

STATUS = badge(
    "status", {"open": "warning", "started": "info", "packed": "success", "cancelled": "danger"}
)
HOLD = badge("on hold", {"held": "warning"}, lambda row: "held" if row.order.is_held() else "-")

SIDES = ("length", "width", "height")
PRINTED = {"pick-list": documents.pick_list, "packing-slip": documents.packing_slip}


def lines(fulfillment: Fulfillment) -> Mapping[str, list[tuple[str, str]]]:
    """What is sent from here, to choose from."""
    return {
        "order_item_id": [
            (line.order_item_id, f"{line} ({line.title})")
            for line in fulfillment.lines
            if line.quantity
        ]
    }


def a_scan(fulfillment: Fulfillment) -> Mapping[str, Any]:
    """What is typed instead of scanned counts once too."""
    return {"scan_id": str(uuid4())}


def unpicked(fulfillment: Fulfillment) -> Mapping[str, Any]:
    """A row for each line of which another warehouse may send units."""
    return _each(fulfillment, {line: line.quantity - line.picked for line in fulfillment.lines})


def not_found(fulfillment: Fulfillment) -> Mapping[str, Any]:
    """A row for each line of which units are short."""
    return _each(fulfillment, {line: line.short for line in fulfillment.lines})


def _each(fulfillment: Fulfillment, units: Mapping[FulfillmentItem, int]) -> Mapping[str, Any]:
    return {
        "items": [
            {"order_item_id": line.order_item_id, "quantity": quantity}
            for line, quantity in units.items()
            if quantity
        ]
    }


class FulfillmentItems(Lines):
    """What is sent from here, and how far it has come."""

    model = FulfillmentItem
    verbose_name_plural = "lines"
    fields = readonly_fields = ["title", "variant_id", "quantity", "picked", "short", "lost"]


class Picks(Lines):
    """Who scanned what, and what was not to be found."""

    model = Pick
    fields = readonly_fields = [
        "order_item_id",
        "quantity",
        "short_reason",
        "picked_by",
        "picked_at",
        "scan_id",
    ]


@admin.register(Fulfillment)
class FulfillmentAdmin(PickScreen):
    icon = "inventory_2"
    commands = {
        "start": Command(
            services.start_fulfillment,
            serializers.FulfillmentStart,
            icon="play_arrow",
            bulk=lambda request: {"assigned_to": request.user.get_username()},
        ),
        "pick": Command(
            services.pick_item,
            serializers.ManualPick,
            start=a_scan,
            choices=lines,
            icon="barcode_scanner",
        ),
        "short": Command(
            services.report_short,
            serializers.ShortReport,
            start=a_scan,
            choices=lines,
            icon="search_off",
        ),
        "pack": Command(
            services.pack_fulfillment,
            serializers.FulfillmentPack,
            icon="package_2",
        ),
        "move": Command(
            services.move_units,
            serializers.FulfillmentMove,
            start=unpicked,
            choices=lines,
            icon="move_up",
        ),
        "write-off": Command(
            services.write_off_short_units,
            serializers.FulfillmentWriteOff,
            start=not_found,
            choices=lines,
            icon="remove_shopping_cart",
            ends=True,
        ),
    }
    queues = (
        Queue("to-pick", "To pick", lambda rows: rows.filter(selectors.TO_PICK), "shelves"),
        Queue("to-pack", "To pack", lambda rows: rows.filter(selectors.TO_PACK), "package_2"),
        Queue(
            "short",
            "Short units to move or to write off",
            lambda rows: rows.filter(selectors.WITH_SHORT_UNITS),
            "search_off",
        ),
    )
    list_display = [
        "id",
        STATUS,
        "to_pick",
        stream,
        "warehouse_id",
        HOLD,
        "assigned_to",
        "created_at",
    ]
    list_filter = [QueueFilter, "status", ("created_at", CreatedFilter)]
    search_fields = [
        "id__exact",
        "order__id__exact",
        "warehouse_id__exact",
        "organization_id__exact",
    ]
    search_help_text = "A whole id, order, order's number, warehouse or organization"
    ordering = ["-id"]
    inlines = [FulfillmentItems, Picks]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("id", STATUS),
                    (stream, HOLD),
                    ("organization_id", "warehouse_id"),
                    ("created_at", "assigned_to"),
                    "to_print",
                ]
            },
        ),
        tab("Packages", ("packages_", "total_weight"), ("packed_by", "packed_at")),
        tab("Course", ("started_at", "cancelled_at"), ("cancellation_reason", "updated_at")),
    ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Fulfillment], search_term: str
    ) -> tuple[QuerySet[Fulfillment], bool]:
        # Joined to the orders, every fulfillment would be looked at.
        if search_term and (found := orders.selectors.numbered(search_term)):
            return queryset.filter(order__in=found), False
        rows, may_repeat = super().get_search_results(request, queryset, search_term)
        return rows, may_repeat

    def get_queryset(self, request: HttpRequest) -> QuerySet[Fulfillment]:
        return selectors.with_lines()

    @admin.display(description="packages")
    def packages_(self, row: Fulfillment) -> str:
        shown = []
        for package in row.packages:
            size = " × ".join(package[side] for side in SIDES if package.get(side))
            shown.append(f"{package['weight']} kg{f' ({size} cm)' if size else ''}")
        return ", ".join(shown) or "-"

    @admin.display(description="to print")
    def to_print(self, row: Fulfillment) -> SafeString:
        links = ((self._url("print", row.pk, name), words(name)) for name in PRINTED)
        return format_html_join(
            " · ", '<a href="{}" class="console-link" target="_blank">{}</a>', links
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.print_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_print"
        return [path("<path:object_id>/print/<slug:name>/", view, name=name), *super().get_urls()]

    def print_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Show a PDF to whoever may see fulfillments."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_object(request, object_id)
        if row is None or name not in PRINTED:
            raise Http404
        return pdf(PRINTED[name](row), name=f"{name}-{row.pk}")
