"""Paying through Stripe as a client, a customer and Stripe do it."""

from typing import Any

from django.test import Client

from orders import services as orders
from payments import services, tasks
from payments.models import Payment
from tests.factories import OrderFactory, start_payment
from tests.payments.stripe_peer import StripePeer

ACCOUNT = "acct_1"
WEBHOOK = "/api/v1/webhooks/stripe"


def connect() -> None:
    """The organization has an account at Stripe."""
    services.set_account(organization_id="org_1", stripe_account=ACCOUNT, manual_payment_days=None)


def start(token: str | None = None, **order: Any) -> Payment:
    """A payment that Stripe knows of."""
    connect()
    payment = start_payment(OrderFactory(**order), method="stripe", token=token)
    if payment.counts:
        orders.confirm_order(order_id=payment.order_id, payment_id=payment.id)
    return payment


def deliver(peer: StripePeer, event: dict[str, Any], **given: Any) -> Any:
    """Stripe posts one of its messages."""
    body, signature = peer.signed(event, **given)
    return post(body, signature)


def post(body: bytes, signature: str) -> Any:
    headers = {"Stripe-Signature": signature}
    client = Client(raise_request_exception=False)
    return client.post(WEBHOOK, body, content_type="application/json", headers=headers)


def call(payment: Payment) -> Payment:
    """What is wanted of the gateway is asked."""
    tasks.call_gateway(payment.id)
    return Payment.objects.get(pk=payment.pk)
