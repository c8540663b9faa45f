"""A short life of the service over its public API, scene by scene, with the events of each."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from config.devserver.stage import Stage

ORGANIZATION = "org_demo"
SHIRT = {
    "variant_id": "var_shirt_m",
    "title": "Linen shirt, M",
    "unit_price": "45.00",
    "tax_rate": "0.16",
    "preferred_warehouse_id": "wh_north",
}
MUG = {
    "variant_id": "var_mug",
    "title": "Stoneware mug",
    "unit_price": "12.50",
    "tax_rate": "0.16",
    "preferred_warehouse_id": "wh_north",
}
ADDRESS = {
    "name": "Ana Torres",
    "line1": "Calle de la Luna 12",
    "city": "Puebla",
    "postal_code": "72000",
    "country": "MX",
}


def play(stage: Stage) -> None:
    """Play it all. Raises stage.Stopped where the service does not do its part."""
    cart = ana_fills_a_cart(stage)
    order = she_checks_out(stage, cart)
    inventory_reserves_the_stock(stage, order)
    she_pays_with_her_second_card(stage, order)
    she_gets_her_invoice(stage, order)
    the_warehouse_picks_and_packs(stage, order)
    the_parcel_leaves(stage, order)
    the_carrier_brings_it(stage, order)
    three_mugs_come_back(stage, order)
    eva_changes_her_mind(stage)
    luis_leaves_a_cart_behind(stage)


def ana_fills_a_cart(stage: Stage) -> dict[str, Any]:
    """cart.created, cart.item_added twice."""
    stage.scene("Ana opens a cart and puts two things into it")
    cart = stage.post("/carts", {"customer_id": "cust_ana", "currency": "USD"})
    stage.expect(cart["id"], "cart.created")
    for item in (SHIRT | {"quantity": 1}, MUG | {"quantity": 4}):
        stage.post(f"/carts/{cart['id']}/items", item)
        stage.expect(cart["id"], "cart.item_added")
    return cart


def she_checks_out(stage: Stage, cart: dict[str, Any]) -> dict[str, Any]:
    """order.created, order.placed, cart.converted; and nothing when she clicks again."""
    stage.scene("She checks out: the order is placed and Inventory told what to reserve")
    path, key = f"/carts/{cart['id']}/checkout", str(uuid4())
    checkout = {
        "customer_email": "ana@example.com",
        "shipping_address": ADDRESS,
        "shipping": {"carrier": "FedEx", "service": "Ground", "cost": "9.90"},
    }
    order = stage.post(path, checkout, key=key)
    stage.expect(cart["id"], "cart.converted")
    stage.expect(order["id"], "order.created", "order.placed")
    stage.scene("Her browser sends it twice: the same answer, and no second order")
    stage.post(path, checkout, key=key)
    return order


def inventory_reserves_the_stock(stage: Stage, order: dict[str, Any]) -> None:
    """A fact that is kept in the order's timeline and not published."""
    stage.scene("Inventory reports its reservation: kept on the timeline, not published")
    allocations = [
        {"order_item_id": item["id"], "warehouse_id": "wh_north", "quantity": item["quantity"]}
        for item in order["items"]
    ]
    reservation = {"reservation_id": f"res_{uuid4().hex[:8]}", "allocations": allocations}
    stage.post(f"/orders/{order['id']}/reservation", reservation)


def she_pays_with_her_second_card(stage: Stage, order: dict[str, Any]) -> None:
    """payment.pending and payment.failed; both again, the second time with payment.succeeded."""
    stage.scene("She pays: her first card is declined")
    payment = stage.pay(order, "tok_declined")
    stage.expect(order["id"], "payment.pending", "payment.failed")
    stage.scene("Another card: the money comes, and with it the order is confirmed")
    card = {"gateway_token": "tok_ok"}
    stage.post(f"/payments/{payment['id']}/retry", card, key=str(uuid4()))
    stage.expect(order["id"], "payment.pending", "payment.succeeded", "order.confirmed")


def she_gets_her_invoice(stage: Stage, order: dict[str, Any]) -> None:
    """invoice.created, a mail, and invoice.sent."""
    stage.scene("The invoice is issued by itself, and mailed as a PDF")
    stage.expect(order["id"], "invoice.created")
    stage.expect_mail()
    stage.expect(order["id"], "invoice.sent")


def the_warehouse_picks_and_packs(stage: Stage, order: dict[str, Any]) -> None:
    """fulfillment.started and order.processing, fulfillment.item_picked twice and .packed."""
    order_id = order["id"]
    stage.scene("The warehouse picks what the order has opened for it")
    path = f"/fulfillments/{stage.wait_for(f'/fulfillments?order={order_id}', 'id')}"
    stage.post(f"{path}/start", {"assigned_to": "picker_pia"})
    stage.expect(order_id, "fulfillment.started", "order.processing")
    for item in order["items"]:
        units = {"order_item_id": item["id"], "quantity": item["quantity"]}
        stage.post(f"{path}/picks", {**units, "scan_id": str(uuid4())})
        stage.expect(order_id, "fulfillment.item_picked")
    stage.scene("It packs, and the order's carrier gets a shipment by itself")
    stage.post(f"{path}/pack", {"packages": [{"weight": "2.1"}]})
    stage.expect(order_id, "fulfillment.packed", "shipment.created")


def the_parcel_leaves(stage: Stage, order: dict[str, Any]) -> None:
    """shipment.label_created, shipment.dispatched, order.shipped."""
    order_id = order["id"]
    stage.scene("A label is bought, and the parcel leaves: Inventory hears what to deduct")
    path = f"/shipments/{stage.wait_for(f'/shipments?order={order_id}', 'id')}"
    stage.post(f"{path}/label", {}, key=str(uuid4()))
    stage.expect(order_id, "shipment.label_created")
    stage.post(f"{path}/dispatch", {})
    stage.expect(order_id, "shipment.dispatched", "order.shipped")


def the_carrier_brings_it(stage: Stage, order: dict[str, Any]) -> None:
    """shipment.in_transit twice, shipment.delivered, order.delivered."""
    stage.scene("The carrier is asked where it is, as if it were tomorrow, and then in three days")
    stage.run_timer("shipments.tasks.poll_carriers", now=in_days(1), organization_id=ORGANIZATION)
    stage.expect(order["id"], "shipment.in_transit")
    stage.run_timer("shipments.tasks.poll_carriers", now=in_days(3), organization_id=ORGANIZATION)
    stage.expect(order["id"], "shipment.in_transit", "shipment.delivered", "order.delivered")


def three_mugs_come_back(stage: Stage, order: dict[str, Any]) -> None:
    """return.requested, .approved, .received twice, payment.refunded, return.refunded."""
    stage.scene("Three mugs are the wrong colour: Ana may send them back")
    mugs = order["items"][1]["id"]
    sent = {"order_id": order["id"], "reason": "wrong_colour"}
    three = {"order_item_id": mugs, "quantity": 3}
    path = f"/returns/{stage.post('/returns', sent | {'items': [three]})['id']}"
    stage.expect(order["id"], "return.requested")
    stage.post(f"{path}/approve", {})
    stage.expect(order["id"], "return.approved")
    stage.scene("Two arrive, then the third: each receipt tells Inventory what to restock")
    for quantity in (2, 1):
        came = {"order_item_id": mugs, "quantity": quantity, "condition": "good"}
        receipt = {"warehouse_id": "wh_north", "items": [came]}
        stage.post(f"{path}/receive", receipt, key=str(uuid4()))
        stage.expect(order["id"], "return.received")
    stage.scene("The money for what has come goes back, and her invoice is credited with it")
    stage.post(f"{path}/refund", {}, key=str(uuid4()))
    stage.expect(order["id"], "payment.refunded", "return.refunded")
    for note in stage.wait_for(f"/invoices?order={order['id']}", "credit_notes"):
        stage.say(f"      {note['number']}: {note['total']} USD, tax {note['tax']}")


def eva_changes_her_mind(stage: Stage) -> None:
    """order.created, order.placed, the payment, order.cancelled, payment.refunded."""
    stage.scene("Eva orders without a cart, pays, and changes her mind")
    sent = {"customer_id": "cust_eva", "currency": "USD", "items": [MUG | {"quantity": 1}]}
    order = stage.post("/orders", sent | {"shipping_address": ADDRESS | {"name": "Eva Núñez"}})
    stage.post(f"/orders/{order['id']}/place", {})
    stage.pay(order, "tok_ok")
    stage.expect(order["id"], "order.created", "order.placed", "payment.pending")
    stage.expect(order["id"], "payment.succeeded", "order.confirmed", "invoice.created")
    stage.scene("Inventory is told what to release, and her money goes back by itself")
    stage.post(f"/orders/{order['id']}/cancel", {"reason": "customer_request"})
    stage.expect(order["id"], "order.cancelled", "payment.refunded")


def luis_leaves_a_cart_behind(stage: Stage) -> None:
    """cart.created, cart.item_added, and cart.abandoned by the timer."""
    stage.scene("Luis fills a cart and does not come back")
    cart = stage.post("/carts", {"customer_id": "cust_luis", "currency": "USD"})
    stage.expect(cart["id"], "cart.created")
    stage.post(f"/carts/{cart['id']}/items", MUG | {"quantity": 2})
    stage.expect(cart["id"], "cart.item_added")
    stage.scene("The timer finds it, run as if it were the next day")
    later = timezone.now() + timedelta(seconds=settings.CART_ABANDONED_AFTER + 1)
    stage.run_timer("carts.tasks.abandon_idle_carts", now=later, organization_id=ORGANIZATION)
    stage.expect(cart["id"], "cart.abandoned")


def in_days(days: int) -> datetime:
    """Return the time in so many days, a little later."""
    return timezone.now() + timedelta(days=days, minutes=1)
