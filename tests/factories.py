"""Factories of carts, orders, payments and invoices in every state; they call the services."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import factory
from django.utils import timezone

from carts import services as carts
from carts.models import Cart
from config.core.unit_of_work import unit_of_work
from invoices import selectors as invoice_selectors
from invoices import services as invoices
from invoices import tasks as invoice_tasks
from invoices.models import Invoice
from orders import selectors
from orders.models import Order, Policy
from orders.services import goods, lifecycle
from payments.models import Payment, PaymentAccount, Refund
from payments.services import capture, gateway, refunds
from tests.reacting import run_of

ADDRESS = {"name": "Juan Pérez", "line1": "1 Main Street", "city": "Memphis", "country": "US"}


class LineFactory(factory.DictFactory):
    """A line of a cart or of an order."""

    variant_id = factory.Sequence(lambda n: f"var_{n}")
    title = "A shirt"
    quantity = 2
    unit_price = Decimal("25.00")
    tax_rate = Decimal(0)
    preferred_warehouse_id = "wh_101"


class CartFactory(factory.Factory):
    class Meta:
        model = Cart

    organization_id = "org_1"
    customer_id = "cust_789"
    session_id = None
    currency = "USD"
    local_id = None
    locale = None
    lines = factory.List([factory.SubFactory(LineFactory)])

    @classmethod
    def _create(cls, model: type[Cart], *, lines: list[dict[str, Any]], **fields: Any) -> Cart:
        cart = carts.open_cart(**fields)
        for line in lines:
            cart = carts.add_item(cart_id=cart.id, **line)
        return cart


class OrderFactory(factory.Factory):
    """An order, taken to `status` step by step; shipped units are in the shipment `ship_1`."""

    class Meta:
        model = Order

    organization_id = "org_1"
    customer_id = "cust_789"
    currency = "USD"
    items = factory.List([factory.SubFactory(LineFactory)])
    shipping_address = factory.Dict(ADDRESS)
    status = "placed"

    @classmethod
    def _create(cls, model: type[Order], *, status: str, **fields: Any) -> Order:
        order = lifecycle.open_order(**fields)
        if status == "cancelled":
            cancel(order)
            return selectors.get(order.id)
        if status == "paid":  # not confirmed, because Inventory has not answered
            rules = {"reservation": "required"}
            Policy.objects.update_or_create(pk=order.organization_id, defaults=rules)
            status = "confirmed"
        steps = list(STEPS)
        for reached in steps[: steps.index(status) + 1]:
            STEPS.get(reached, cancel)(order)
        return selectors.get(order.id)


def order_of(*quantities: int, status: str = "processing", **fields: Any) -> Order:
    """Return an order with one line for each quantity, of `var_0`, `var_1`, …"""
    lines = [LineFactory(variant_id=f"var_{n}", quantity=q) for n, q in enumerate(quantities)]
    return OrderFactory(items=lines, status=status, **fields)


def start_payment(order: Order, method: str = "sandbox", **given: Any) -> Payment:
    """Start a payment of the amount due, and call its gateway."""
    payment = capture.start_payment(order_id=order.id, method=method, **given)
    gateway.call_gateway(payment_id=payment.id)
    return Payment.objects.get(pk=payment.pk)


def pay(order: Order) -> Payment:
    """Pay the amount due, which confirms the order."""
    return start_payment(order, token="tok_ok")


def buy_on_account(organization_id: str = "org_1", **order: Any) -> Order:
    """Place an order on invoice, which confirms it before it is paid."""
    PaymentAccount.objects.update_or_create(
        {"invoice_days": 14, "cash_on_delivery": True}, organization_id=organization_id
    )
    given = {"payment_method": "invoice", **order}
    return OrderFactory(organization_id=organization_id, **given)


class PaymentFactory(factory.Factory):
    """A payment of an order of 50.00 through the sandbox gateway."""

    class Meta:
        model = Payment

    organization_id = "org_1"
    status = "succeeded"

    @classmethod
    def _create(cls, model: type[Payment], *, status: str, organization_id: str) -> Payment:
        order = OrderFactory(organization_id=organization_id)
        if status == "opening":
            return capture.start_payment(order_id=order.id, method="sandbox", token="tok_ok")
        if status == "authorized":
            return start_payment(order, token="tok_ok", captures_later=True)
        if status == "closed":
            pay(buy_on_account(organization_id))
            return Payment.objects.get(method="on_account")
        tokens = {"pending": None, "failed": "tok_declined"}
        payment = start_payment(order, token=tokens.get(status, "tok_ok"))
        if status == "refunded":
            refund(payment, payment.amount)
        return Payment.objects.get(pk=payment.pk)


def refund(payment: Payment, amount: Any, **given: Any) -> Refund:
    """Refund a payment, and call its gateway."""
    given = {"reason": "operator", **given}
    refund = refunds.request_refund(payment_id=payment.id, amount=Decimal(amount), **given)
    gateway.call_gateway(payment_id=payment.id)
    return Refund.objects.get(pk=refund.pk)


def confirm(order: Order) -> Order:
    """Pay the amount due, and confirm the order."""
    payment = pay(order)
    return lifecycle.confirm_order(
        order_id=order.id, payment_id=payment.id
    )  # if reactions are rows


def start(order: Order) -> Order:
    return goods.start_processing(order_id=order.id, warehouse_id="wh_101", at=timezone.now())


def ship(order: Order, shipment_id: str = "ship_1", **given: Any) -> Order:
    """Ship the given units, or all unshipped ones."""
    lines = selectors.get(order.id).lines
    units = {line.id: line.unshipped_quantity for line in lines if line.unshipped_quantity}
    shipment: dict[str, Any] = {
        "warehouse_id": "wh_101",
        "carrier": "FedEx",
        "tracking_number": "123456789",
        "estimated_delivery": None,
        "units": units,
        "at": timezone.now(),
    }
    return goods.ship_units(order_id=order.id, shipment_id=shipment_id, **{**shipment, **given})


def deliver(order: Order, shipment_id: str = "ship_1", **given: Any) -> Order:
    proof: dict[str, Any] = {"signature": "Juan", "photo_url": None, "at": timezone.now()}
    return goods.deliver_units(order_id=order.id, shipment_id=shipment_id, **{**proof, **given})


def write_off(order: Order, line: int, count: int, reason: str = "out_of_stock") -> Order:
    units = {order.lines[line].id: count}
    return goods.write_off_units(order_id=order.id, units=units, reason=reason)


@contextmanager
def locked(order: Order) -> Iterator[Order]:
    """Lock an order in a unit of work, for what selectors return about it."""
    with unit_of_work():
        yield selectors.get_for_update(order.id)


def cancel(order: Order, reason: str = "customer_request") -> Order:
    return lifecycle.cancel_order(order_id=order.id, reason=reason)


STEPS = {
    "pending": lambda order: order,
    "placed": lambda order: lifecycle.place_order(order_id=order.id),
    "confirmed": confirm,
    "processing": start,
    "shipped": ship,
    "delivered": deliver,
}


# Invoices


class InvoiceFactory(factory.Factory):
    """The invoice of a new order; the fields are those of the order."""

    class Meta:
        model = Invoice

    organization_id = "org_1"
    customer_email = "juan@example.com"
    status = "issued"

    @classmethod
    def _create(cls, model: type[Invoice], *, status: str, **fields: Any) -> Invoice:
        order = OrderFactory(status="confirmed", **fields)
        run_of("invoices", order.id)
        invoice = invoice_of(order)
        if status == "sent":
            for mail in invoice.deliveries:
                url = "https://example.com/invoice.pdf"
                invoices.record_delivery(
                    invoice_id=mail.invoice_id,
                    delivery_id=mail.id,
                    pdf_url=url,
                    at=timezone.now(),
                )
        return invoice_of(order)


def invoice_of(order: Order) -> Invoice:
    return invoice_selectors.with_parts().get(order=order, replaced_by=None)


def credit(invoice: Invoice, amount: str, refund_id: str = "ref_1", **given: Any) -> Invoice:
    """Issue a credit note for a refund, and render it."""
    refund: dict[str, Any] = {
        "currency": invoice.currency,
        "reason": "customer_return",
    }
    invoices.issue_credit_note(
        order_id=invoice.order_id,
        refund_id=refund_id,
        amount=Decimal(amount),
        **{**refund, **given},
    )
    run_of("invoices", invoice.order_id)
    return invoice_selectors.with_parts().get(pk=invoice.pk)


def deliver_documents(now: str | None = None) -> int:
    """Render the PDFs and send the mails that are due; return how many."""
    return invoice_tasks.render_documents(now) + invoice_tasks.send_mails(now)
