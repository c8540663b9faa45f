"""The admin pages of payments."""

from collections.abc import Mapping
from functools import partial

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from config.admin.columns import amount, badge, code, words
from config.admin.commands import Command, line_choices
from config.admin.filters import CreatedFilter
from config.admin.pages import Lines, PolicyAdmin, tab
from config.admin.queues import Queue, QueueFilter
from config.admin.webhooks import InboundWebhookAdmin, unmatched
from config.core.money import money
from events.admin.aggregates import AggregateAdmin, stream
from payments import selectors, serializers
from payments.models import Attempt, GatewayWebhook, Payment, PaymentAccount, Refund
from payments.services import capture, gateway, refunds

STATUS = badge(
    "status",
    {
        "opening": "warning",
        "pending": "warning",
        "authorized": "info",
        "succeeded": "success",
        "failed": "danger",
        "refunded": "info",
        "closed": "success",
    },
)
MISMATCH = badge(
    "mismatch", {"mismatched": "danger"}, lambda row: "mismatched" if row.is_mismatched else "-"
)
REFUND_STATUS = badge("status", {"pending": "warning", "succeeded": "success", "failed": "danger"})
CALL = "call-gateway"  # a command that is no transition of a payment


def order_lines(payment: Payment) -> Mapping[str, list[tuple[str, str]]]:
    """Return the lines of the payment's order, as the form's choices."""
    return line_choices("order_item_id", key="id")(payment.order)


def manual_refunds(payment: Payment) -> Mapping[str, list[tuple[str, str]]]:
    """Return the refunds that an operator has to pay out, as the form's choices."""
    return {
        "refund_id": [
            (refund.id, f"{money(refund.amount, refund.currency)} {refund.currency} ({refund.id})")
            for refund in payment.pending_refunds(by_hand=True)
        ]
    }


class Attempts(Lines):
    """The attempts to charge the customer."""

    model = Attempt
    fields = readonly_fields = [
        "number",
        "first_called_at",
        "error_code",
        "error_message",
        "declined_at",
    ]


class Refunds(Lines):
    """The refunds, also those not paid out yet."""

    model = Refund
    fields = readonly_fields = [
        "id",
        REFUND_STATUS,
        amount("amount"),
        "purpose",
        "reason",
        "method",
        "cause",
        "requested_by",
        "requested_at",
        "settled_at",
        "error_message",
    ]

    @admin.display(description=_("for"))
    def purpose(self, refund: Refund) -> str:
        return ", ".join(f"{words(part.kind)} {part.amount}" for part in refund.parts)


@admin.register(Payment)
class PaymentAdmin(AggregateAdmin):
    icon = "payments"
    adds = Command(
        partial(capture.start_payment, method=Payment.Method.MANUAL),
        serializers.ManualPaymentCreate,
        label=_("Add manual payment"),
        done=_("Payment {row} was added."),
        description=_("Start a payment in cash or by bank transfer. Capture it later."),
    )
    commands = {
        "retry": Command(
            capture.retry_payment,
            serializers.PaymentRetry,
            label=_("Retry payment"),
            done=_("Payment {row} was retried."),
            icon="replay",
            description=_("Make another attempt after a decline."),
        ),
        "capture": Command(
            capture.capture_payment,
            serializers.PaymentCapture,
            label=_("Capture payment"),
            done=_("Payment {row} was captured."),
            icon="payments",
            description=_(
                "Record that you have received the money: what is too much is kept apart, and "
                "what is missing stays due. Or capture an authorized amount, or a part of it."
            ),
        ),
        "void": Command(
            capture.void_payment,
            label=_("Void payment"),
            done=_("Payment {row} was voided."),
            icon="money_off",
            description=_("Let the authorized money go: it will not be captured."),
            ends=True,
        ),
        "apply": Command(
            capture.apply_payment,
            label=_("Apply payment"),
            done=_("Payment {row} was applied to its order."),
            icon="price_check",
            description=_(
                "Count the captured amount towards the order's total, although another amount was "
                "charged. The order is released; it is confirmed if it is paid in full."
            ),
        ),
        "refund": Command(
            refunds.request_refund,
            serializers.OperatorRefund,
            label=_("Refund payment"),
            done=_("A refund of payment {row} was requested."),
            choices=order_lines,
            icon="undo",
            description=_(
                "Refund units of the order's lines, the shipping, or an amount. The credit note "
                "takes back exactly these."
            ),
            ends=True,
        ),
        "record-refund": Command(
            refunds.record_refund,
            serializers.ManualRefund,
            label=_("Record refund"),
            done=_("The refund of payment {row} was recorded."),
            choices=manual_refunds,
            icon="price_check",
            description=_("Record that you have paid the refund out."),
            ends=True,
        ),
        "withdraw-refund": Command(
            refunds.withdraw_refund,
            serializers.ManualRefund,
            label=_("Withdraw refund"),
            done=_("The refund of payment {row} was withdrawn."),
            choices=manual_refunds,
            icon="undo",
            description=_("Withdraw the refund: it will not be paid out."),
        ),
        "abandon": Command(
            capture.abandon_payment,
            label=_("Abandon payment"),
            done=_("Payment {row} was abandoned."),
            icon="block",
            description=_("Stop waiting for the money, and cancel the payment at the gateway."),
            ends=True,
            bulk=True,
        ),
        CALL: Command(
            gateway.call_gateway_now,
            label=_("Call gateway"),
            done=_("The gateway was called for payment {row}."),
            icon="sync",
            description=_("Call the gateway now, not at the next retry."),
            bulk=True,
        ),
    }
    queues = (
        Queue("open", _("Awaiting gateway result"), selectors.OUTCOME_OPEN, "hourglass_empty"),
        Queue(
            "mismatched", _("Payments with a mismatched amount"), selectors.MISMATCHED, "difference"
        ),
        Queue("disputed", _("Disputed payments"), selectors.DISPUTED, "gavel"),
        Queue("overdue", _("Overdue payments"), selectors.OVERDUE, "event_busy"),
        Queue("authorized", _("Authorized payments"), selectors.AUTHORIZED, "lock_clock"),
        Queue("surplus", _("Money beyond what was due"), selectors.SURPLUS, "add_card"),
        Queue(
            "by-hand",
            _("Refunds to pay out by hand"),
            selectors.with_manual_refunds(),
            "price_check",
        ),
        Queue("failed-refunds", _("Failed refunds"), selectors.with_failed_refunds(), "money_off"),
    )
    list_display = [
        "id",
        STATUS,
        stream,
        "method",
        amount("amount"),
        amount("captured", currency="settlement_currency"),
        "created_at",
    ]
    list_filter = [QueueFilter, "status", "method", ("created_at", CreatedFilter)]
    search_fields = ["id", "order__id", "gateway_payment_id", "organization_id"]
    search_help_text = _(
        "The full id of a payment, here or at the gateway, of an order or an organization"
    )
    inlines = [Attempts, Refunds]
    fields = [
        ("id", STATUS),
        (stream, amount("amount")),
        ("organization_id", amount("captured", currency="settlement_currency")),
        ("method", amount("refunded", currency="settlement_currency")),
        ("created_at", amount("refunding", currency="settlement_currency")),
        ("paid_at", amount("refundable", currency="settlement_currency")),
    ]
    tabs = (
        tab(
            _("Terms"),
            (amount("outstanding"), "payable_until"),
            ("authorized_at", amount("capture_amount")),
            ("provider", "reference"),
            ("surplus_of", amount("waived")),
            "moved_from",
        ),
        tab(_("Card"), ("card_brand", "card_last4")),
        tab(
            _("Gateway"),
            ("gateway_payment_id", "account"),
            ("due_at", "calls"),
            ("last_error", MISMATCH),
            ("blocks_expiry", "blocks_expiry_until"),
            ("abandoned_at", "closed_at"),
            ("disputed_at", code("disputes_data")),
        ),
    )

    def rows(self, request: HttpRequest) -> QuerySet[Payment]:
        return selectors.with_parts()

    def allowed(self, row: Payment) -> list[str]:  # type: ignore[override]
        return [*super().allowed(row), *([CALL] if row.due_at else [])]


@admin.register(PaymentAccount)
class PaymentAccountAdmin(PolicyAdmin):
    icon = "account_balance"
    list_display = ["organization_id", "stripe_account", "manual_payment_days", "invoice_days"]


@admin.register(GatewayWebhook)
class GatewayWebhookAdmin(InboundWebhookAdmin):
    queues = unmatched(_("Unmatched gateway webhooks"))
