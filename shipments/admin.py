"""The admin pages of shipments, carrier accounts and carrier webhooks."""

from functools import partial

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from config.admin.columns import amount, badge, code
from config.admin.commands import Command
from config.admin.filters import CreatedFilter
from config.admin.pages import Lines, OrganizationAdmin, tab
from config.admin.queues import Queue, QueueFilter
from config.admin.webhooks import InboundWebhookAdmin, unmatched
from events.admin.aggregates import AggregateAdmin, stream
from shipments import files, selectors, serializers
from shipments.models import CarrierAccount, CarrierWebhook, Label, Scan, Shipment, ShipmentItem
from shipments.services import creation, labels, lifecycle

COLORS = {
    "created": "warning",
    "label_created": "warning",
    "dispatched": "info",
    "in_transit": "info",
    "exception": "danger",
    "delivered": "success",
    "lost": "danger",
    "returned_to_sender": "danger",
}
STATUS = badge("status", COLORS)
HOLD = badge("on hold", {"held": "warning"}, lambda row: "held" if row.order.is_held() else "-")
LABEL_STATUS = badge("status", {"bought": "success", "wanted": "warning", "refused": "danger"})
# Commands that are not the verb of a transition.
LOST, RETURNED, RETRY = "lost", "returned-to-sender", "retry-carrier-calls"


@admin.display(description=_("label"))
def label_link(shipment: Shipment) -> SafeString | str:
    """Return a link to the PDF, and to those of further parcels."""
    urls = [url for url in [files.label_url(shipment)] if url]
    urls += files.further_label_urls(shipment)
    link = '<a href="{}" class="console-link" target="_blank">{}</a>'
    return format_html_join(" ", link, ((url, _("Show the label")) for url in urls)) or "-"


@admin.display(description=_("tracking numbers"))
def numbers(shipment: Shipment) -> str:
    """Return the numbers of all parcels, and whether they are shared."""
    shared = [_("in the box of another order")] if shipment.shares_number else []
    return ", ".join([*shipment.tracking_numbers, *map(str, shared)]) or "-"


class Items(Lines):
    model = ShipmentItem
    fields = readonly_fields = ["order_item_id", "variant_id", "title", "quantity"]


class Labels(Lines):
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
    model = Scan
    fields = readonly_fields = [
        *("occurred_at", "status", "tracking_number", "location", "description", "counts")
    ]


@admin.register(Shipment)
class ShipmentAdmin(AggregateAdmin):
    icon = "local_shipping"
    adds = Command(
        creation.create_shipment,
        serializers.ShipmentCreate,
        label=_("Create shipment"),
        done=_("Shipment {row} was created."),
        icon="add",
        description=_(
            "Create a shipment of packed units: by default, of all that are in no other shipment."
        ),
    )
    commands = {
        "label": Command(
            labels.label_shipment,
            serializers.LabelCreate,
            label=_("Buy label"),
            done=_("The label of shipment {row} was requested."),
            icon="label",
            description=_(
                "Leave the fields blank to buy the label from the carrier. With the adapter "
                "“manual”, enter the data of the label that you have."
            ),
            bulk=True,
        ),
        "dispatch": Command(
            lifecycle.dispatch_shipment,
            serializers.ShipmentDispatch,
            label=_("Dispatch shipment"),
            done=_("Shipment {row} was dispatched."),
            start=lambda shipment: {"estimated_delivery": shipment.estimated_delivery},
            icon="local_shipping",
            description=_("Record that the shipment left the warehouse."),
            bulk=True,
        ),
        "scan": Command(
            lifecycle.report_scan,
            serializers.ScanCreate,
            label=_("Record scan"),
            done=_("The scan of shipment {row} was recorded."),
            icon="barcode_scanner",
            description=_("Record what the carrier scanned or reported."),
        ),
        "deliver": Command(
            lifecycle.deliver_shipment,
            serializers.ShipmentDeliver,
            label=_("Record delivery"),
            done=_("Shipment {row} was delivered."),
            icon="home_pin",
            description=_("Record the delivery, and its proof if you have it."),
            ends=True,
        ),
        LOST: Command(
            partial(lifecycle.report_scan, status="lost"),
            serializers.ManualScan,
            label=_("Report lost"),
            done=_("Shipment {row} was reported lost."),
            icon="help",
            description=_("The shipment will not arrive: send its units again, or write them off."),
            ends=True,
        ),
        RETURNED: Command(
            partial(lifecycle.report_scan, status="returned_to_sender"),
            serializers.ManualScan,
            label=_("Report return to sender"),
            done=_("Shipment {row} was reported as returned to the sender."),
            icon="assignment_return",
            description=_(
                "The shipment comes back undelivered. A return is opened: receive its units there."
            ),
            ends=True,
        ),
        "cancel": Command(
            creation.cancel_shipment,
            label=_("Cancel shipment"),
            done=_("Shipment {row} was cancelled."),
            icon="block",
            description=_("Do not send the shipment. Its units stay packed; its label is voided."),
            ends=True,
        ),
        "revoke-links": Command(
            labels.revoke_links,
            label=_("Revoke links"),
            done=_("The links to the labels of shipment {row} were revoked."),
            icon="link_off",
            description=_("The links that opened the label open nothing any more."),
        ),
        RETRY: Command(
            labels.retry_calls,
            label=_("Call carrier now"),
            done=_("The carrier was called for shipment {row}."),
            icon="sync",
            description=_("Call the carrier now instead of at the next scheduled time."),
        ),
    }
    queues = (
        Queue("to-dispatch", _("Shipments to dispatch"), selectors.TO_DISPATCH, "outbox"),
        Queue("late", _("Late shipments"), selectors.LATE, "schedule"),
        Queue(
            "labels", _("Shipments with failed labels"), selectors.has_label_problem(), "label_off"
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
        HOLD,
        "estimated_delivery",
        "created_at",
    ]
    list_filter = [QueueFilter, "status", "adapter", ("created_at", CreatedFilter)]
    search_fields = [
        *("id", "order__id", "fulfillment__id", "organization_id"),
        *("tracking_number", "number_set__tracking_number"),
    ]
    search_help_text = _(
        "The full id of a shipment, order, fulfillment or organization, or a tracking number"
    )
    inlines = [Items, Labels, Scans]
    fields = [
        ("id", STATUS),
        (stream, HOLD),
        ("organization_id", "fulfillment_id"),
        ("carrier", "service"),
        (numbers, label_link),
        ("location", "warehouse_id"),
        ("created_at", "estimated_delivery"),
        ("updated_at", "dispatched_at"),
    ]
    tabs = (
        tab(
            _("Costs"),
            (amount("shipping_cost"), amount("carrier_cost", currency="carrier_currency")),
        ),
        tab(_("Packages"), ("weight", code("packages")), ("signature_required",)),
        tab(_("Delivery"), ("delivered_at", "recipient"), ("signature", "delivery_photo_url")),
        tab(_("Carrier"), ("adapter", "account"), ("due_at", "calls"), ("last_error",)),
    )

    def rows(self, request: HttpRequest) -> QuerySet[Shipment]:
        return selectors.with_parts()

    def allowed(self, row: Shipment) -> list[str]:  # type: ignore[override]
        can_retry = row.due_at or any(label.can_be_retried for label in row.labels)
        may_return = row.is_under_way or row.status == Shipment.Status.LOST
        more = {LOST: row.is_under_way, RETURNED: may_return, RETRY: can_retry}
        return [*super().allowed(row), *(name for name, is_allowed in more.items() if is_allowed)]


@admin.register(CarrierAccount)
class CarrierAccountAdmin(OrganizationAdmin):
    icon = "badge"
    list_display = ["organization_id", "carrier", "adapter", "account"]
    search_fields = ["organization_id__exact"]
    search_help_text = _("A full organization id")
    actions = None

    def get_readonly_fields(
        self, request: HttpRequest, obj: CarrierAccount | None = None
    ) -> list[str]:
        return ["organization_id", "carrier"] if obj else []


@admin.register(CarrierWebhook)
class CarrierWebhookAdmin(InboundWebhookAdmin):
    queues = unmatched(_("Unmatched carrier webhooks"))
