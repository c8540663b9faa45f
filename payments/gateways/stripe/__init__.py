"""Payments through Stripe: a PaymentIntent per payment, on the organization's own account."""

from payments.gateways.stripe.gateway import Stripe
from payments.gateways.stripe.webhooks import notice, verify

__all__ = ["Stripe", "notice", "verify"]
