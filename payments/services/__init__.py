"""What can be done with payments: one function per verb."""

from payments.services.gateway import ask_again, call_due_gateways, call_gateway
from payments.services.refunds import (
    record_refund,
    refund_cancelled_order,
    refund_order,
    refund_unwanted,
    request_refund,
    withdraw_refund,
)
from payments.services.taking import (
    abandon_payment,
    abandon_unneeded,
    capture_payment,
    retry_payment,
    start_payment,
)
from payments.services.webhooks import process_pending_webhooks, receive_webhook

__all__ = [
    "abandon_payment",
    "abandon_unneeded",
    "ask_again",
    "call_due_gateways",
    "call_gateway",
    "capture_payment",
    "process_pending_webhooks",
    "receive_webhook",
    "record_refund",
    "refund_cancelled_order",
    "refund_order",
    "refund_unwanted",
    "request_refund",
    "retry_payment",
    "start_payment",
    "withdraw_refund",
]
