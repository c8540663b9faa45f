"""Shipments as operators see them."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from config.admin.columns import amount, badge
from config.admin.commands import Command, no_input
from config.admin.filters import CreatedFilter
from config.admin.pages import Lines, tab
from config.admin.queues import Queue, QueueFilter
from config.admin.webhooks import InboundWebhookAdmin, unmatched
from config.core.money import money
from events.admin.aggregates import AggregateAdmin, stream
from shipments import files, selectors, serializers, services
from shipments.models import CarrierAccount, CarrierWebhook, Label, Scan, Shipment, ShipmentItem

COLOURS = {
    "created": "warning",
    "label_created": "warning",
    "dispatched": "info",
    "in_transit": "info",
    "exception": "danger",
    "delivered": "success",
    "lost": "danger",
    "returned_to_sender": "danger",
}
STATUS = badge("status", COLOURS)
LABEL_STATUS = badge("status", {"bought": "success", "wanted": "warning", "refused": "danger"})
# What an operator may do besides asking for a transition, and what that is for.
LOST, RETURNED, ASK = "lost", "returned-to-sender", "ask-the-carrier"
MEANINGS = {
    "add": "Let packed units travel together: those of the rows, or all that are in no shipment.",
    "scan": "The carrier has seen it, or says what has become of it.",
    "label": "Buy the carrier's label: leave the fields blank. With the adapter “manual”, type "
    "what is on the label that you have.",
    LOST: "It will not arrive: its units are to be sent again, or written off.",
    RETURNED: "It has come back unopened: its units are to be sent again, or written off.",
    ASK: "Ask now about the label, or where the parcel is, instead of waiting for the timer.",
}


def late(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Those that should have arrived before today."""
    return rows.filter(selectors.late(timezone.now().date()))


@admin.display(description="label")
def label_link(shipment: Shipment) -> SafeString | str:
    """The document, wherever it is kept."""
    url = files.label_url(shipment)
    if url is None:
        return "-"
    return format_html('<a href="{}" class="console-link" target="_blank">Show the label</a>', url)


@admin.display(description="carrier cost")
def carrier_cost(shipment: Shipment) -> str:
    """What the carrier charges, in its own currency."""
    if shipment.carrier_cost is None:
        return "-"
    currency = str(shipment.carrier_currency)
    return f"{money(shipment.carrier_cost, currency)} {currency}"


class Items(Lines):
    """What is in it."""

    model = ShipmentItem
    fields = readonly_fields = ["order_item_id", "variant_id", "title", "quantity"]


class Labels(Lines):
    """Which labels were asked for, and what came of it."""

    model = Label
    fields = readonly_fields = [
        "id",
        LABEL_STATUS,
        "tracking_number",
        "requested_by",
        "requested_at",
        "calls",
        "due_at",
        "last_error",
    ]


class Scans(Lines):
    """Where it was seen; what does not count came too late, or before it left."""

    model = Scan
    fields = readonly_fields = ["occurred_at", "status", "location", "description", "counts"]


@admin.register(Shipment)
class ShipmentAdmin(AggregateAdmin):
    icon = "local_shipping"
    adds = Command(services.create_shipment, serializers.ShipmentCreate, icon="add")
    commands = {
        "label": Command(
            services.label_shipment,
            serializers.LabelCreate,
            icon="label",
            bulk=no_input,
        ),
        "dispatch": Command(
            services.dispatch_shipment,
            serializers.ShipmentDispatch,
            start=lambda shipment: {"estimated_delivery": shipment.estimated_delivery},
            icon="local_shipping",
            bulk=no_input,
        ),
        "scan": Command(
            services.report_scan,
            serializers.ScanCreate,
            icon="barcode_scanner",
        ),
        "deliver": Command(
            services.deliver_shipment,
            serializers.ShipmentDeliver,
            icon="home_pin",
            ends=True,
        ),
        LOST: Command(
            partial(services.report_scan, status="lost"),
            serializers.ManualScan,
            icon="help",
            ends=True,
        ),
        RETURNED: Command(
            partial(services.report_scan, status="returned_to_sender"),
            serializers.ManualScan,
            icon="assignment_return",
            ends=True,
        ),
        "cancel": Command(
            services.cancel_shipment,
            icon="block",
            ends=True,
        ),
        ASK: Command(services.ask_again, icon="sync"),
    }
    queues = (
        Queue(
            "to-dispatch",
            "Shipments to label and to dispatch",
            lambda rows: rows.filter(selectors.TO_DISPATCH),
            "outbox",
        ),
        Queue("late", "Shipments that are late", late, "schedule"),
        Queue(
            "labels",
            "Shipments whose carrier gives no label, or takes none back",
            lambda rows: rows.filter(selectors.with_failing_labels()),
            "label_off",
        ),
    )
    list_display = [
        "id",
        STATUS,
        stream,
        "carrier",
        "service",
        "tracking_number",
        "warehouse_id",
        "estimated_delivery",
        "created_at",
    ]
    list_filter = [QueueFilter, "status", "adapter", ("created_at", CreatedFilter)]
    search_fields = [
        "id__exact",
        "order__id__exact",
        "fulfillment__id__exact",
        "tracking_number__exact",
        "organization_id__exact",
    ]
    search_help_text = "A whole id, order, fulfillment, tracking number or organization"
    ordering = ["-id"]
    inlines = [Items, Labels, Scans]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("id", STATUS),
                    (stream, "fulfillment_id"),
                    ("organization_id", "warehouse_id"),
                    ("carrier", "service"),
                    ("tracking_number", label_link),
                    ("location", "estimated_delivery"),
                    ("created_at", "dispatched_at"),
                ]
            },
        ),
        tab("Costs", (amount("shipping_cost"), carrier_cost)),
        tab("Packages", ("weight", "packages"), ("signature_required",)),
        tab(
            "Arrival",
            ("delivered_at", "recipient"),
            ("signature", "delivery_photo_url"),
        ),
        tab("Carrier", ("adapter", "account"), ("track_at", "track_failures"), ("track_error",)),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Shipment]:
        return selectors.with_parts()

    def allowed(self, row: Shipment) -> list[str]:  # type: ignore[override]
        is_asked = row.track_at or any(label.may_be_asked_again for label in row.tries)
        more = {LOST: row.is_under_way, RETURNED: row.is_under_way, ASK: is_asked}
        return [*super().allowed(row), *(name for name, wanted in more.items() if wanted)]

    def meaning(self, name: str) -> str:
        return MEANINGS.get(name) or super().meaning(name)


@admin.register(CarrierAccount)
class CarrierAccountAdmin(ModelAdmin):
    """Without one, a carrier is spoken to by the sandbox where that is on, else by operators."""

    icon = "badge"
    list_display = ["organization_id", "carrier", "adapter", "account"]
    search_fields = ["organization_id__exact"]
    search_help_text = "A whole organization"
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["organization_id", "carrier"] if obj else []


@admin.register(CarrierWebhook)
class CarrierWebhookAdmin(InboundWebhookAdmin):
    queues = unmatched(_("Unmatched carrier webhooks"))
