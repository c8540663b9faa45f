"""The models of payments."""

from payments.models.account import PaymentAccount
from payments.models.disputes import Dispute, DisputeStatus
from payments.models.parts import Attempt, Refund
from payments.models.payment import Payment
from payments.models.webhook import GatewayWebhook

__all__ = [
    "Attempt",
    "Dispute",
    "DisputeStatus",
    "GatewayWebhook",
    "Payment",
    "PaymentAccount",
    "Refund",
]
