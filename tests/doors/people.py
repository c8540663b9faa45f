"""A customer of whom every table holds something."""

from typing import Any
from uuid import uuid4

from django.apps import apps
from django.db import connection
from django.utils import timezone

from carts.models import Cart
from orders import selectors
from orders.models import Order
from orders.services import lifecycle as order_lifecycle
from returns import services as returns
from shipments.carriers import Scan, TrackingUpdate
from shipments.services import lifecycle, webhooks
from tests.conftest import Api
from tests.factories import CartFactory, LineFactory, deliver_documents, invoice_of, pay
from tests.fulfillment.factories import fulfillments, reach
from tests.reacting import run_of
from tests.shipments.factories import create, dispatch, label

ADDRESS = {
    "name": "Zoë Zanzibar",
    "line1": "77 Zanzibar Street",
    "city": "Zanzibarville",
    "postal_code": "ZZ-7777",
    "country": "US",
    "phone": "+1 555 777",
}
EMAIL = "zoe@zanzibar.example"
IN_INVOICES = (
    "Zoë Zanzibar",
    "77 Zanzibar",
    "Zanzibarville",
    "ZZ-7777",
    "+1 555 777",
    EMAIL,
    "Zanzibar 7",
)
ELSEWHERE = (
    *("zanzibar-accounts@zanzibar.example", "Zanzibar hold", "Zanzibar discount"),
    *("Zanzibar's neighbour", "Zanzibar signature", "photos/zanzibar.jpg", "Zanzibar depot"),
    *("left at Zanzibar's door", "Zanzibar return", "Zanzibar line", "Zanzibar note"),
    *("https://labels.example/zanzibar", "Zanzibar cart", "Zanzibar gift", "Zanzibar wish"),
    *("Zanzibar customer_note", "Zanzibar internal_note", "Zanzibar external_reference"),
    "Zanzibar engraving",
)
NOTES = ("customer_note", "internal_note", "external_reference")


class Shopper:
    """Buys through the API of the organization, sends units back, and gets an invoice."""

    def __init__(self, api: Api, **owner: Any) -> None:
        self.api, self.owner = api, {"customer_id": None, "session_id": None, **owner}
        self.cart: Cart = CartFactory(
            **self.owner,
            **{name: f"Zanzibar {name}" for name in NOTES},
            metadata={"gift": "Zanzibar cart"},
            lines=[
                LineFactory(
                    **dict.fromkeys(NOTES, "Zanzibar wish"), metadata={"text": "Zanzibar engraving"}
                )
            ],
        )
        body = {
            "shipping_address": ADDRESS,
            "billing_address": ADDRESS,
            "customer_email": EMAIL,
            "purchase_order_number": "Zanzibar 7",
            "metadata": {"gift": "Zanzibar gift"},
            "discount": {"amount": "1.00", "reason": "Zanzibar discount"},
        }
        bought = self.post(f"carts/{self.cart.id}/checkout", body)
        self.order_id: str = bought["id"]

    def post(self, path: str, body: Any) -> Any:
        response = self.api.post(f"/api/v1/{path}", body, headers={"Idempotency-Key": str(uuid4())})
        assert response.status_code < 300, response.json()
        return response.json()

    @property
    def order(self) -> Order:
        return selectors.get(self.order_id)

    def receive_parcel(self) -> None:
        """Pay, and receive all units, with a signature."""
        if self.order.status == "pending":
            order_lifecycle.place_order(order_id=self.order_id)
        self.post(f"orders/{self.order_id}/hold", {"reason": "manual", "note": "Zanzibar hold"})
        self.post(f"orders/{self.order_id}/release", {})
        pay(self.order)
        run_of("invoices", self.order_id)
        order_lifecycle.hold_order(order_id=self.order_id, reason="address", note="Zanzibar hold")
        order_lifecycle.release_order(order_id=self.order_id)
        packed = reach(fulfillments(self.order)[0], "packed")
        self.shipment = dispatch(label(create(packed, carrier="sandbox")))
        at = timezone.now()
        update = TrackingUpdate(
            event_id=f"trk_{self.order_id}",
            tracking_number=self.shipment.tracking_number,
            reference=None,
            carrier=None,
            scans=(
                Scan(
                    scan_id="scan_1",
                    status="in_transit",
                    occurred_at=at,
                    location="Zanzibar depot",
                    description="left at Zanzibar's door",
                ),
            ),
        )
        webhooks.receive_webhook(adapter="sandbox", update=update)
        lifecycle.deliver_shipment(
            shipment_id=self.shipment.id,
            delivered_at=timezone.now(),
            recipient="Zanzibar's neighbour",
            signature="Zanzibar signature",
            delivery_photo_url="https://photos.example/photos/zanzibar.jpg",
        )

    def send_back(self) -> None:
        """Request to return a unit, which is approved, and give up."""
        line = {"order_item_id": self.order.lines[0].id, "quantity": 1, "reason": "Zanzibar line"}
        body = {"order_id": self.order_id, "reason": "Zanzibar return", "items": [line]}
        request = self.post("returns", body)
        terms = {
            "note": "Zanzibar note",
            "return_shipping_label_url": "https://labels.example/zanzibar",
        }
        self.post(f"returns/{request['id']}/approve", terms)
        returns.cancel_return(return_id=request["id"], note="Zanzibar note")

    def get_invoice(self) -> None:
        invoice = invoice_of(self.order)
        body = {"recipient_email": "zanzibar-accounts@zanzibar.example"}
        self.post(f"invoices/{invoice.id}/send", body)
        deliver_documents()
        run_of("invoices", self.order_id)


def rows_with(text: str) -> dict[str, int]:
    """Return how many rows of each table of the database hold a text."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            table = model._meta.db_table
            cursor.execute(
                f'SELECT count(*) FROM "{table}" AS row WHERE row::text ILIKE %s', [f"%{text}%"]
            )
            (count,) = cursor.fetchone()
            if count:
                found[table] = count
    return found
