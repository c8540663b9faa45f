"""What clients, customers, operators and Stripe do with a payment."""

from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from config.core.unit_of_work import unit_of_work
from orders.models import Order
from orders.services import lifecycle
from payments import selectors, tasks
from payments.gateways import PaymentResult
from payments.models import Payment, PaymentAccount
from payments.services.gateway_results import apply_payment_result
from tests.factories import OrderFactory, start_payment
from tests.payments.stripe_peer import StripePeer

ACCOUNT = "acct_1"
WEBHOOK = "/api/v1/webhooks/stripe"


def connect() -> None:
    """Give the organization an account at Stripe."""
    PaymentAccount.objects.update_or_create({"stripe_account": ACCOUNT}, organization_id="org_1")


def start(token: str | None = None, **order: Any) -> Payment:
    """Start a payment, and call Stripe for it."""
    connect()
    payment = start_payment(OrderFactory(**order), method="stripe", token=token)
    if payment.applies_to_order:
        lifecycle.confirm_order(order_id=payment.order_id, payment_id=payment.id)
    return payment


def deliver(peer: StripePeer, event: dict[str, Any], **given: Any) -> Any:
    """Post a webhook of Stripe."""
    body, signature = peer.signed(event, **given)
    return post(body, signature)


def post(body: bytes, signature: str) -> Any:
    headers = {"Stripe-Signature": signature}
    client = Client(raise_request_exception=False)
    return client.post(WEBHOOK, body, content_type="application/json", headers=headers)


@unit_of_work()
def report(payment: Payment, *, source: Any = None, **result: Any) -> None:
    """Apply a result of the gateway; without a `source`, as a webhook does."""
    payment = selectors.get_for_update(payment.id)
    result = {"gateway_payment_id": "g_1", "charge_id": "ch_new", **result}
    apply_payment_result(payment, PaymentResult(**result), now=payment.created_at, source=source)
    payment.save()


def captured(payment: Payment, amount: Any) -> dict[str, Any]:
    """Return the result of a capture, for `report`."""
    return {"state": "succeeded", "amount": amount, "currency": payment.currency}


def call(payment: Payment) -> Payment:
    """Call the gateway, and return the payment with its result."""
    tasks.call_gateway(payment.id, payment.organization_id)
    return Payment.objects.get(pk=payment.pk)


def run_timer(hours: int = 5) -> None:
    """Call the gateways that are due, every hour from now on."""
    for hour in range(1, hours + 1):
        tasks.call_gateways(now=(timezone.now() + timedelta(hours=hour)).isoformat())


def expire(payment: Payment) -> str:
    """Expire unpaid orders an hour from now, and return the status of the payment's order."""
    lifecycle.expire_unpaid_orders(now=timezone.now() + timedelta(hours=1))
    return str(Order.objects.get(pk=payment.order_id).status)
