"""A tour of the API: an order from cart to refund, with the events that each request publishes."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from config.api.serializers import Address
from config.devserver.demo_client import DemoClient

ORGANIZATION = "org_demo"
SHIRT = {
    "variant_id": "var_shirt_m",
    "title": "Linen shirt, M",
    "unit_price": "52.20",
    "tax_rate": "0.16",
    "preferred_warehouse_id": "wh_north",
}
MUG = {
    "variant_id": "var_mug",
    "title": "Stoneware mug",
    "unit_price": "14.50",
    "tax_rate": "0.16",
    "preferred_warehouse_id": "wh_north",
}
PRICES = {"currency": "USD", "tax_inclusive": True}
ADDRESS = Address.example

Json = dict[str, Any]


def run(client: DemoClient) -> None:
    """Run every step. Raises DemoFailed if a response or an event is not as expected."""
    cart = fill_cart(client)
    order = check_out(client, cart)
    receive_reservation(client, order)
    pay_with_gift_card_and_card(client, order)
    receive_invoice(client, order)
    pick_and_pack(client, order)
    dispatch_shipment(client, order)
    track_delivery(client, order)
    return_items(client, order)
    cancel_order(client)
    abandon_cart(client)


def fill_cart(client: DemoClient) -> Json:
    """cart.created, cart.item_added twice."""
    client.step("Ana opens a cart, whose prices include tax, and adds two items")
    cart = client.post("/carts", {"customer_id": "cust_ana", **PRICES})
    client.wait_for(cart["id"], "cart.created")
    for item in (SHIRT | {"quantity": 1}, MUG | {"quantity": 4}):
        client.post(f"/carts/{cart['id']}/items", item)
        client.wait_for(cart["id"], "cart.item_added")
    return cart


def check_out(client: DemoClient, cart: Json) -> Json:
    """cart.converted, order.created, order.placed; nothing when the request is repeated."""
    client.step("She checks out: the cart becomes an order")
    path, key = f"/carts/{cart['id']}/checkout", str(uuid4())
    checkout = {
        "customer_email": "ana@example.com",
        "shipping_address": ADDRESS,
        "shipping": {"carrier": "FedEx", "service": "Ground", "cost": "9.90"},
        "metadata": {"gift_text": "For Luis"},
    }
    order = client.post(path, checkout, key=key)
    client.wait_for(cart["id"], "cart.converted")
    client.wait_for(order["id"], "order.created", "order.placed")
    client.step("Her browser repeats the request: same Idempotency-Key, same response, one order")
    client.post(path, checkout, key=key)
    return order


def receive_reservation(client: DemoClient, order: Json) -> None:
    """order.reserved, an extension event, which the queue of Inventory names."""
    client.step("Inventory has answered order.placed: only what it reserves is confirmed")
    client.wait_for_reservation(order["id"])


def pay_with_gift_card_and_card(client: DemoClient, order: Json) -> None:
    """payment.pending, payment.succeeded; payment.pending, payment.failed; then order.confirmed."""
    client.step("She pays 30.00 with a gift card, which the shop's own system has charged")
    gift_card = {"amount": "30.00", "provider": "gift_card", "reference": str(uuid4())}
    client.post("/payments/external", {"order_id": order["id"], **gift_card})
    client.wait_for(order["id"], "payment.pending", "payment.succeeded")
    client.step("She pays the rest, and the gateway declines her card")
    payment = client.pay(order, "tok_declined")
    client.wait_for(order["id"], "payment.pending", "payment.failed")
    client.step("She retries with another card: the payment succeeds, which confirms the order")
    card = {"gateway_token": "tok_ok"}
    client.post(f"/payments/{payment['id']}/retry", card, key=str(uuid4()))
    client.wait_for(order["id"], "payment.pending", "payment.succeeded", "order.confirmed")


def receive_invoice(client: DemoClient, order: Json) -> None:
    """invoice.created, a mail, invoice.sent."""
    client.step("The confirmed order gets its invoice, which is mailed as a PDF")
    client.wait_for(order["id"], "invoice.created")
    client.wait_for_mail()
    client.wait_for(order["id"], "invoice.sent")


def pick_and_pack(client: DemoClient, order: Json) -> None:
    """fulfillment.started, order.processing, fulfillment.item_picked twice, .packed."""
    order_id = order["id"]
    client.step("The warehouse picks the fulfillment that the confirmed order opened")
    path = f"/fulfillments/{client.poll(f'/fulfillments?order={order_id}', 'id')}"
    client.post(f"{path}/start", {"assigned_to": "picker_pia"})
    client.wait_for(order_id, "fulfillment.started", "order.processing")
    for item in order["items"]:
        pick = {"order_item_id": item["id"], "quantity": item["quantity"]}
        client.post(f"{path}/picks", {**pick, "scan_id": str(uuid4())})
        client.wait_for(order_id, "fulfillment.item_picked")
    client.step("It packs the parcel, which creates a shipment with the order's carrier")
    client.post(f"{path}/pack", {"packages": [{"weight": "2.1"}]})
    client.wait_for(order_id, "fulfillment.packed", "shipment.created")


def dispatch_shipment(client: DemoClient, order: Json) -> None:
    """shipment.label_created, shipment.dispatched, order.shipped."""
    order_id = order["id"]
    client.step("It buys a label and dispatches the parcel: Inventory deducts the stock")
    path = f"/shipments/{client.poll(f'/shipments?order={order_id}', 'id')}"
    client.post(f"{path}/label", {}, key=str(uuid4()))
    client.wait_for(order_id, "shipment.label_created")
    client.post(f"{path}/dispatch", {})
    client.wait_for(order_id, "shipment.dispatched", "order.shipped")


def track_delivery(client: DemoClient, order: Json) -> None:
    """shipment.in_transit twice, shipment.delivered, order.delivered."""
    client.step("The worker polls the carrier, as if it were tomorrow and then in three days")
    task = "shipments.tasks.poll_carriers"
    client.run_timer(task, now=in_days(1), organization_id=ORGANIZATION)
    client.wait_for(order["id"], "shipment.in_transit")
    client.run_timer(task, now=in_days(3), organization_id=ORGANIZATION)
    client.wait_for(order["id"], "shipment.in_transit", "shipment.delivered", "order.delivered")


def return_items(client: DemoClient, order: Json) -> None:
    """return.requested, .approved, .received twice, payment.refunded, return.refunded."""
    client.step("Ana returns three mugs of the wrong color, and the shop approves")
    mug_id = order["items"][1]["id"]
    items = [{"order_item_id": mug_id, "quantity": 3}]
    request = {"order_id": order["id"], "reason": "wrong_color", "items": items}
    path = f"/returns/{client.post('/returns', request)['id']}"
    client.wait_for(order["id"], "return.requested")
    client.post(f"{path}/approve", {})
    client.wait_for(order["id"], "return.approved")
    client.step("Two mugs arrive, then the third: Inventory restocks them with each receipt")
    for quantity in (2, 1):
        items = [{"order_item_id": mug_id, "quantity": quantity, "condition": "good"}]
        receipt = {"warehouse_id": "wh_north", "items": items}
        client.post(f"{path}/receive", receipt, key=str(uuid4()))
        client.wait_for(order["id"], "return.received")
    client.step("The shop refunds the mugs, and the invoice gets a credit note")
    client.post(f"{path}/refund", {}, key=str(uuid4()))
    client.wait_for(order["id"], "payment.refunded", "return.refunded")
    for note in client.poll(f"/invoices?order={order['id']}", "credit_notes"):
        client.print(f"      {note['number']}: {note['total']} USD, tax {note['tax']}")


def cancel_order(client: DemoClient) -> None:
    """order.created, order.placed, the events of the payment, order.cancelled, payment.refunded."""
    client.step("Eva orders without a cart, and pays")
    items = [MUG | {"quantity": 1}]
    address = ADDRESS | {"name": "Eva Núñez"}
    new_order = {"customer_id": "cust_eva", "items": items, **PRICES}
    order = client.post("/orders", new_order | {"shipping_address": address})
    client.post(f"/orders/{order['id']}/place", {})
    client.pay(order, "tok_ok")
    client.wait_for(order["id"], "order.created", "order.placed", "payment.pending")
    client.wait_for(order["id"], "payment.succeeded", "order.confirmed", "invoice.created")
    client.step("She cancels: Inventory releases the stock, and the payment is refunded")
    client.post(f"/orders/{order['id']}/cancel", {"reason": "customer_request"})
    client.wait_for(order["id"], "order.cancelled", "payment.refunded")


def abandon_cart(client: DemoClient) -> None:
    """cart.created, cart.item_added; cart.abandoned by a periodic task."""
    client.step("Luis fills a cart and does not come back")
    cart = client.post("/carts", {"customer_id": "cust_luis", **PRICES})
    client.wait_for(cart["id"], "cart.created")
    client.post(f"/carts/{cart['id']}/items", MUG | {"quantity": 2})
    client.wait_for(cart["id"], "cart.item_added")
    client.step("The worker looks for idle carts, as if it were the next day")
    later = timezone.now() + timedelta(seconds=settings.CART_ABANDONED_AFTER + 1)
    task = "carts.tasks.abandon_idle_carts"
    client.run_timer(task, now=later, organization_id=ORGANIZATION)
    client.wait_for(cart["id"], "cart.abandoned")


def in_days(days: int) -> datetime:
    """Return the time in so many days and a minute."""
    return timezone.now() + timedelta(days=days, minutes=1)
