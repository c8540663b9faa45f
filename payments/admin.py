"""Payments as operators see them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from config.admin.columns import amount, badge
from config.admin.commands import Command, no_input
from config.admin.filters import CreatedFilter
from config.admin.pages import Lines, PolicyAdmin, tab
from config.admin.queues import Queue, QueueFilter
from config.admin.webhooks import InboundWebhookAdmin, unmatched
from config.core.money import money
from events.admin.aggregates import AggregateAdmin, stream
from payments import selectors, serializers, services
from payments.models import Attempt, GatewayWebhook, Payment, PaymentAccount, Refund

STATUS = badge(
    "status",
    {
        "opening": "warning",
        "pending": "warning",
        "succeeded": "success",
        "failed": "danger",
        "refunded": "info",
    },
)
MISMATCH = badge(
    "mismatch", {"mismatched": "danger"}, lambda row: "mismatched" if row.is_mismatched else "-"
)
REFUND_STATUS = badge("status", {"pending": "warning", "succeeded": "success", "failed": "danger"})
# What an operator may do besides asking for a transition, and what that is for.
RECORD, WITHDRAW, ASK = "record-refund", "withdraw-refund", "ask-the-gateway"
MEANINGS = {
    "add": "Somebody pays an order by cash or transfer. Capture it when the money is here.",
    RECORD: "You have given the money back yourself.",
    WITHDRAW: "The money is not to be given back after all.",
    ASK: "Ask now how the payment and its refunds stand, instead of waiting for the timer.",
}


def most(payment: Payment) -> Mapping[str, Any]:
    """As much as can go back."""
    return {"amount": str(money(payment.refundable, payment.held_currency))}


def by_hand(payment: Payment) -> Mapping[str, list[tuple[str, str]]]:
    """The refunds that an operator pays out, to choose from."""
    return {
        "refund_id": [
            (refund.id, f"{money(refund.amount, refund.currency)} {refund.currency} ({refund.id})")
            for refund in payment.owed_by_hand()
        ]
    }


class Attempts(Lines):
    """How often it was tried, and why it was declined."""

    model = Attempt
    fields = readonly_fields = ["number", "asked_at", "error_code", "error_message", "declined_at"]


class Refunds(Lines):
    """What has gone back, and what is on its way."""

    model = Refund
    fields = readonly_fields = [
        "id",
        REFUND_STATUS,
        amount("amount"),
        "reason",
        "method",
        "cause",
        "requested_by",
        "requested_at",
        "settled_at",
        "error_message",
    ]


@admin.register(Payment)
class PaymentAdmin(AggregateAdmin):
    icon = "payments"
    adds = Command(
        partial(services.start_payment, method=Payment.Method.MANUAL),
        serializers.ManualPaymentCreate,
    )
    commands = {
        "retry": Command(
            services.retry_payment,
            serializers.PaymentRetry,
            icon="replay",
        ),
        "capture": Command(
            services.capture_payment,
            serializers.PaymentCapture,
            icon="payments",
        ),
        "refund": Command(
            services.request_refund,
            serializers.OperatorRefund,
            start=most,
            icon="undo",
            ends=True,
        ),
        RECORD: Command(
            services.record_refund,
            serializers.ManualRefund,
            choices=by_hand,
            icon="price_check",
            ends=True,
        ),
        WITHDRAW: Command(
            services.withdraw_refund,
            serializers.ManualRefund,
            choices=by_hand,
            icon="undo",
        ),
        "abandon": Command(
            services.abandon_payment,
            icon="block",
            ends=True,
            bulk=no_input,
        ),
        ASK: Command(
            services.ask_again,
            icon="sync",
            bulk=no_input,
        ),
    }
    queues = (
        Queue(
            "open",
            "Payments whose outcome is open",
            lambda rows: rows.filter(selectors.OUTCOME_OPEN),
            "hourglass_empty",
        ),
        Queue(
            "mismatched",
            "Payments of another amount than was asked for",
            lambda rows: rows.filter(selectors.MISMATCHED),
            "difference",
        ),
        Queue(
            "by-hand",
            "Payments with refunds to pay out by hand",
            lambda rows: rows.filter(selectors.with_refunds_by_hand()),
            "price_check",
        ),
        Queue(
            "failed-refunds",
            "Payments with failed refunds",
            lambda rows: rows.filter(selectors.with_failed_refunds()),
            "money_off",
        ),
    )
    list_display = [
        "id",
        STATUS,
        stream,
        "method",
        amount("amount"),
        amount("captured", currency="held_currency"),
        "created_at",
    ]
    list_filter = [QueueFilter, "status", "method", ("created_at", CreatedFilter)]
    search_fields = [
        "id__exact",
        "order__id__exact",
        "gateway_payment_id__exact",
        "organization_id__exact",
    ]
    search_help_text = "A whole id, order, id at the gateway or organization"
    ordering = ["-id"]
    inlines = [Attempts, Refunds]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("id", STATUS),
                    (stream, amount("amount")),
                    ("organization_id", amount("captured", currency="held_currency")),
                    ("method", amount("refunded", currency="held_currency")),
                    ("created_at", amount("refunding", currency="held_currency")),
                    ("paid_at", amount("refundable", currency="held_currency")),
                ]
            },
        ),
        tab("Card", ("card_brand", "card_last4")),
        tab(
            "Gateway",
            ("gateway_payment_id", "account"),
            ("due_at", "calls"),
            ("last_error", MISMATCH),
            ("keeps_order", "keeps_order_until"),
            ("abandoned_at", "closed_at"),
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payment]:
        return selectors.with_parts()

    def allowed(self, row: Payment) -> list[str]:  # type: ignore[override]
        more = {RECORD: row.owed_by_hand(), WITHDRAW: row.owed_by_hand(), ASK: row.due_at}
        return [*super().allowed(row), *(name for name, wanted in more.items() if wanted)]

    def meaning(self, name: str) -> str:
        return MEANINGS.get(name) or super().meaning(name)


@admin.register(PaymentAccount)
class PaymentAccountAdmin(PolicyAdmin):
    icon = "account_balance"
    list_display = ["organization_id", "stripe_account", "manual_payment_days"]


@admin.register(GatewayWebhook)
class GatewayWebhookAdmin(InboundWebhookAdmin):
    queues = unmatched(_("Unmatched gateway webhooks"))
