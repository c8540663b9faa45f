"""A cash payment and a refund, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from payments import selectors
from payments.services import gateway
from tests.factories import OrderFactory, PaymentFactory, locked

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_cash_payment_is_added_and_captured(operator: Page):
    order = OrderFactory()
    operator.goto("/admin/payments/payment/")
    operator.get_by_title("Add payment").click()
    operator.get_by_label("Order").fill(order.id)
    operator.get_by_role("button", name="Add").click()
    expect(operator.get_by_text(re.compile("Payment pay_.* was added"))).to_be_visible()
    [payment] = selectors.of_order(order.id)
    gateway.call_gateway(payment_id=payment.id)
    operator.reload()
    operator.get_by_role("link", name="Capture").click()
    operator.get_by_role("button", name="Capture").click()
    captured = operator.locator(".console-timeline li").filter(has_text="Payment captured")
    expect(captured).to_be_visible()
    with locked(order) as order:
        assert selectors.received(order) == order.total


def test_a_refund_cannot_exceed_its_maximum(operator: Page):
    payment = PaymentFactory()
    operator.goto(f"/admin/payments/payment/{payment.id}/change/")
    operator.get_by_role("link", name="Refund").click()
    operator.get_by_label("Amount").last.fill("50.01")
    operator.get_by_label("Reason").select_option("operator")
    operator.get_by_role("button", name="Refund").click()
    expect(operator.get_by_text("50.00 USD left to refund, not 50.01")).to_be_visible()
    operator.get_by_label("Amount").last.fill("12.50")
    operator.get_by_role("button", name="Refund").click()
    expect(operator.get_by_text(f"A refund of payment {payment.id} was requested.")).to_be_visible()
    gateway.call_gateway(payment_id=payment.id)
    operator.reload()
    expect(operator.locator(".console-timeline li").first).to_contain_text("Refund paid out")
    assert str(selectors.get(payment.id).refunded) == "12.5000"
