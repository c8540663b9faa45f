"""Returns as operators see them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from config.admin.columns import amount, badge
from config.admin.commands import Command, no_input
from config.admin.filters import CreatedFilter
from config.admin.pages import Lines, PolicyAdmin, tab
from config.admin.queues import Queue, QueueFilter
from config.core.money import money
from events.admin.aggregates import AggregateAdmin, stream
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


@admin.display(description="approved amount")
def approved_amount(return_request: Return) -> str:
    """The most that may go back, once somebody has said so."""
    if return_request.approved_amount is None:
        return "-"
    approved = money(return_request.approved_amount, return_request.currency)
    return f"{approved} {return_request.currency}"


@admin.display(description="restocking fee", empty_value="-")
def restocking_fee(row: Return | Policy) -> str | None:
    """The part of what was paid that is kept."""
    fee = row.restocking_fee
    return None if fee is None else f"{(fee * 100).normalize():f} %"


def items(return_request: Return) -> Mapping[str, list[tuple[str, str]]]:
    """The return's lines, to choose from."""
    return {
        "order_item_id": [
            (line.order_item_id, f"{line} ({line.title})") for line in return_request.lines
        ]
    }


def outstanding(return_request: Return) -> Mapping[str, Any]:
    """A row for each line of which units have yet to come."""
    lines = (line for line in return_request.lines if line.outstanding)
    return {"items": [{"order_item_id": line.order_item_id} for line in lines]}


def most(return_request: Return) -> Mapping[str, Any]:
    """As much as may go back."""
    return {"amount": str(money(selectors.refundable(return_request), return_request.currency))}


def worth(return_request: Return) -> Mapping[str, Any]:
    """As much as may go back with permission."""
    return {"amount": str(money(selectors.worth(return_request), return_request.currency))}


class ReturnItems(Lines):
    """What is sent back, and how much of it has come."""

    model = ReturnItem
    verbose_name_plural = "lines"
    fields = readonly_fields = [
        "title",
        "variant_id",
        "quantity",
        "reason",
        "received",
        "accepted",
        amount("value", currency="return_request.currency"),
        amount("accepted_value", currency="return_request.currency"),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReturnItem]:
        rows: QuerySet[ReturnItem] = super().get_queryset(request)
        return rows.select_related("return_request")


class Receipts(Lines):
    """What came, and when."""

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
    )
    commands = {
        "approve": Command(
            services.approve_return,
            serializers.ReturnApprove,
            icon="check",
            bulk=no_input,
        ),
        "reject": Command(
            services.reject_return,
            serializers.ReturnReject,
            icon="block",
            ends=True,
        ),
        "receive": Command(
            services.receive_return,
            serializers.ReceiptCreate,
            start=outstanding,
            choices=items,
            icon="inventory",
        ),
        "refund": Command(
            services.refund_return,
            serializers.ReturnRefund,
            start=most,
            icon="undo",
            ends=True,
        ),
        "refund-more": Command(
            partial(services.refund_return, may_exceed=True),
            serializers.LargerReturnRefund,
            start=worth,
            icon="currency_exchange",
            ends=True,
            permission="returns.override_return",
        ),
        "close": Command(
            services.close_return,
            serializers.ReturnClose,
            icon="done_all",
            ends=True,
        ),
        "cancel": Command(
            services.cancel_return,
            serializers.ReturnCancel,
            icon="cancel",
            ends=True,
        ),
    }
    queues = (
        Queue(
            "to-approve",
            "Returns to approve",
            lambda rows: rows.filter(selectors.TO_APPROVE),
            "rule",
        ),
        Queue(
            "to-receive",
            "Returns to receive",
            lambda rows: rows.filter(selectors.TO_RECEIVE),
            "inventory",
        ),
        Queue(
            "to-settle",
            "Returns to refund or close",
            lambda rows: rows.filter(selectors.TO_SETTLE),
            "undo",
        ),
    )
    list_display = [
        "rma_number",
        STATUS,
        stream,
        "reason",
        amount("value"),
        amount("refunded"),
        "created_at",
    ]
    list_filter = [QueueFilter, "status", ("created_at", CreatedFilter)]
    search_fields = [
        "rma_number__exact",
        "id__exact",
        "order__id__exact",
        "organization_id__exact",
    ]
    search_help_text = "A whole number, id, order or organization"
    ordering = ["-id"]
    inlines = [ReturnItems, Receipts]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("rma_number", STATUS),
                    (stream, amount("value")),
                    ("id", amount("accepted_value")),
                    ("organization_id", amount("refundable")),
                    ("reason", amount("refunding")),
                    ("override_reason", amount("refunded")),
                ]
            },
        ),
        tab(
            "Terms",
            ("approved_by", "approved_at"),
            (approved_amount, "approval_note"),
            (restocking_fee, "postage_paid_by"),
            (amount("return_shipping_cost"), "return_shipping_label_url"),
        ),
        tab("Refund", ("refund_method", "refunded_at")),
        tab("Ending", ("ended_by", "ended_at"), ("ending_note",)),
        tab("Origin", ("requested_by", "requested_at"), ("received_at", "updated_at")),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Return]:
        return selectors.with_parts()

    def meaning(self, name: str) -> str:
        return "A customer sends units back." if name == "add" else super().meaning(name)


@admin.register(Policy)
class ReturnPolicyAdmin(PolicyAdmin):
    list_display = ["organization_id", "window_days", restocking_fee, "postage_paid_by"]
