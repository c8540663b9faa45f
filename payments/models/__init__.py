"""Payments: the aggregate, its parts, the organization's account, and what gateways sent."""

from payments.exceptions import RefundTooLarge
from payments.models.account import PaymentAccount
from payments.models.parts import Attempt, Refund
from payments.models.payment import Payment
from payments.models.webhook import GatewayWebhook

__all__ = ["Attempt", "GatewayWebhook", "Payment", "PaymentAccount", "Refund", "RefundTooLarge"]
