"""A short life of the service over its public API, scene by scene, with the events of each."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from config.embedded.stage import Stage

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
    ana_changes_her_mind(stage, order)
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


def ana_changes_her_mind(stage: Stage, order: dict[str, Any]) -> None:
    """order.cancelled, with the stock to release."""
    stage.scene("Ana changes her mind: Inventory is told what to release")
    stage.post(f"/orders/{order['id']}/cancel", {"reason": "customer_request"})
    stage.expect(order["id"], "order.cancelled")


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
