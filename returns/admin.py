"""Returns in the admin."""

from collections.abc import Mapping
from functools import partial

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from config.admin.columns import amount, badge
from config.admin.commands import Command, line_choices
from config.admin.filters import CreatedFilter
from config.admin.pages import Lines, PolicyAdmin, tab
from config.admin.queues import Queue, QueueFilter
from config.core.money import money
from events.admin.aggregates import AggregateAdmin, link, stream
from returns import selectors, serializers, services
from returns.models import Policy, Receipt, Return, ReturnItem

STATUS = badge(
    "status",
    {
        "requested": "warning",
        "approved": "info",
        "received": "warning",
        "refunded": "success",
        "rejected": "danger",
        "cancelled": "danger",
        "closed": "success",
    },
)


@admin.display(description=_("restocking fee"), empty_value="-")
def restocking_fee(row: Return | Policy) -> str | None:
    fee = row.restocking_fee
    return None if fee is None else f"{(fee * 100).normalize():f} %"


def outstanding_lines(return_request: Return) -> Mapping[str, object]:
    """Return a form row for each line with units that are not received yet."""
    lines = (line for line in return_request.lines if line.outstanding_quantity)
    return {"items": [{"order_item_id": line.order_item_id} for line in lines]}


def max_refund(return_request: Return) -> Mapping[str, str]:
    """Return the maximum refund as the initial amount."""
    return {"amount": str(money(return_request.max_refund, return_request.currency))}


def max_refund_with_override(return_request: Return) -> Mapping[str, str]:
    """Return the maximum refund with the override permission as the initial amount."""
    amount = return_request.max_refund_with_override
    return {"amount": str(money(amount, return_request.currency))}


class ReturnItems(Lines):
    model = ReturnItem
    list_select_related = ("return_request",)
    verbose_name_plural = _("lines")
    fields = readonly_fields = [
        "title",
        "variant_id",
        "quantity",
        "reason",
        "received_quantity",
        "accepted_quantity",
        amount("value", currency="return_request.currency"),
        amount("accepted_value", currency="return_request.currency"),
    ]


class Receipts(Lines):
    model = Receipt
    fields = readonly_fields = ["received_at", "warehouse_id", "received_by", "__str__"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Receipt]:
        rows: QuerySet[Receipt] = super().get_queryset(request)
        return rows.prefetch_related("items__item")


@admin.register(Return)
class ReturnAdmin(AggregateAdmin):
    icon = "assignment_return"
    adds = Command(
        services.request_return,
        serializers.OperatorReturnCreate,
        label=_("Create return"),
        done=_("Return {row} was created."),
        description=_("Record units that a customer wants to send back."),
    )
    commands = {
        "approve": Command(
            services.approve_return,
            serializers.ReturnApprove,
            label=_("Approve return"),
            done=_("Return {row} was approved."),
            icon="check",
            description=_("Let the customer send the units back, and set the maximum refund."),
            bulk=True,
        ),
        "reject": Command(
            services.reject_return,
            serializers.ReturnReject,
            label=_("Reject return"),
            done=_("Return {row} was rejected."),
            icon="block",
            description=_("Do not let the customer send the units back."),
            ends=True,
        ),
        "receive": Command(
            services.receive_return,
            serializers.ReceiptCreate,
            label=_("Receive units"),
            done=_("Units of return {row} were received."),
            start=outstanding_lines,
            choices=line_choices("order_item_id", key="order_item_id"),
            icon="inventory",
            description=_("Record units that arrived, and their condition."),
        ),
        "refund": Command(
            services.refund_return,
            serializers.ReturnRefund,
            label=_("Refund return"),
            done=_("A refund for return {row} was requested."),
            start=max_refund,
            icon="undo",
            description=_("Refund received units, up to the approved amount."),
            ends=True,
        ),
        "refund-more": Command(
            partial(services.refund_return, may_exceed=True),
            serializers.LargerReturnRefund,
            label=_("Refund more"),
            done=_("A refund for return {row} was requested."),
            start=max_refund_with_override,
            icon="currency_exchange",
            description=_("Refund received units, up to the price that was paid for them."),
            ends=True,
            permission="returns.override_return",
        ),
        "close": Command(
            services.close_return,
            serializers.ReturnClose,
            label=_("Close return"),
            done=_("Return {row} was closed."),
            icon="done_all",
            description=_("Expect no more units. If all were received, refund no more."),
            ends=True,
        ),
        "cancel": Command(
            services.cancel_return,
            serializers.ReturnCancel,
            label=_("Cancel return"),
            done=_("Return {row} was cancelled."),
            icon="cancel",
            description=_("Cancel a return that the customer does not send."),
            ends=True,
        ),
    }
    queues = (
        Queue("to-approve", _("To approve"), selectors.TO_APPROVE, "rule"),
        Queue("to-receive", _("To receive"), selectors.TO_RECEIVE, "inventory"),
        Queue("to-settle", _("To refund or close"), selectors.TO_SETTLE, "undo"),
    )
    list_display = [
        "rma_number",
        STATUS,
        stream,
        "reason",
        amount("value"),
        amount("refunded_amount"),
        "created_at",
    ]
    list_filter = [QueueFilter, "status", ("created_at", CreatedFilter)]
    search_fields = ["rma_number", "id", "order__id", "organization_id"]
    search_help_text = _("The full id of a return, order or organization, or an RMA number")
    inlines = [ReturnItems, Receipts]
    fields = [
        ("rma_number", STATUS),
        (stream, amount("value")),
        ("id", amount("accepted_value")),
        ("organization_id", amount("max_refund")),
        ("reason", amount("pending_amount")),
        ("override_reason", amount("refunded_amount")),
        link("shipment_id", "parcel that came back"),
    ]
    tabs = (
        tab(
            _("Terms"),
            ("approved_by", "approved_at"),
            (amount("approved_amount"), "approval_note"),
            (restocking_fee, "postage_paid_by"),
            (amount("return_shipping_cost"), "return_shipping_label_url"),
        ),
        tab(_("Refund"), ("refund_method", "refunded_at")),
        tab(_("Ending"), ("ended_by", "ended_at"), ("ending_note",)),
        tab(_("History"), ("requested_by", "requested_at"), ("received_at", "updated_at")),
    )

    def rows(self, request: HttpRequest) -> QuerySet[Return]:
        return selectors.with_parts()


@admin.register(Policy)
class ReturnPolicyAdmin(PolicyAdmin):
    list_display = ["organization_id", "window_days", restocking_fee, "postage_paid_by"]
