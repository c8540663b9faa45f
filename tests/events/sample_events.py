"""Events of the carts context, for tests that need any event."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import connections, transaction

from carts.events import CartAbandoned, CartCreated, CartItemAdded, CartItemChanged
from carts.models import Cart
from events import outbox
from events.delivery import relay
from events.models import Outbox
from events.schema import Event

NOON = datetime(2025, 11, 23, 12, tzinfo=UTC)


def created(cart_id: str = "cart_1", **changes: Any) -> CartCreated:
    fields = {"customer_id": "cust_1", "session_id": None, "organization_id": "org_1"}
    return CartCreated(cart_id=cart_id, **fields | changes)


def added(quantity: int = 1, unit_price: str | Decimal = "125.50", **changes: Any) -> CartItemAdded:
    fields = {"cart_id": "cart_1", "variant_id": "var_1", "unit_price": Decimal(unit_price)}
    return CartItemAdded(quantity=quantity, **fields | changes)


def abandoned() -> CartAbandoned:
    return CartAbandoned(
        cart_id="cart_1",
        customer_id="cust_1",
        items_count=1,
        total_value=Decimal("1.00"),
        abandoned_at=NOON,
        last_activity_at=NOON,
    )


def internal() -> CartItemChanged:
    return CartItemChanged(
        cart_id="cart_1", variant_id="var_1", quantity=0, unit_price=Decimal("1.00")
    )


def cart(**changes: Any) -> Cart:
    """Return an unsaved cart that has recorded cart.created."""
    fields = {"organization_id": "org_1", "currency": "USD", "customer_id": "cust_1"}
    return Cart.open(**fields | changes)


def happen(stream: str, *events: Event) -> None:
    """Record events in a stream, and commit."""
    recorded = [(event, event.happened_at or NOON) for event in events]
    with transaction.atomic():
        outbox.record(recorded, organization_id="org_1", stream=stream, subject=stream)


def fill(streams: int, each: int) -> None:
    """Record `each` events in each of `streams` streams."""
    for n in range(streams):
        happen(f"cart_{n}", *[added()] * each)


def at_once(*calls: Callable[[], object]) -> None:
    """Run each call in a thread with its own database connection, and wait for all."""

    def run(call: Callable[[], object]) -> None:
        try:
            call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        for done in [pool.submit(run, call) for call in calls]:
            done.result(timeout=60)


def be_confirmed() -> None:
    """Turn all pending messages into publications."""
    with transaction.atomic():
        relay._mark_published(
            list(Outbox.objects.order_by("event_id").values_list("pk", flat=True))
        )
