"""Paying through Stripe as a client, a customer and Stripe do it."""

from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from orders import services as orders
from orders.models import Order
from payments import tasks
from payments.models import Payment, PaymentAccount
from tests.factories import OrderFactory, start_payment
from tests.payments.stripe_peer import StripePeer

ACCOUNT = "acct_1"
WEBHOOK = "/api/v1/webhooks/stripe"


def connect() -> None:
    """The organization has an account at Stripe."""
    PaymentAccount.objects.update_or_create({"stripe_account": ACCOUNT}, organization_id="org_1")


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


def run_timer(hours: int = 5) -> None:
    """Every hour from now on."""
    for hour in range(1, hours + 1):
        tasks.call_gateways(now=(timezone.now() + timedelta(hours=hour)).isoformat())


def expire(payment: Payment) -> str:
    """The time for paying is over; return what that makes of the order."""
    orders.expire_unpaid_orders(now=timezone.now() + timedelta(hours=1))
    return str(Order.objects.get(pk=payment.order_id).status)
