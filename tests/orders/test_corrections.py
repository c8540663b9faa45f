"""Corrections of an order before it is shipped."""

import pytest

from orders.services import lifecycle
from shipments.models import Shipment
from shipments.services import creation, labels
from tests.factories import ADDRESS, OrderFactory, order_of, pay, ship
from tests.log import event_data, event_names
from tests.shipments.factories import ShipmentFactory

pytestmark = pytest.mark.django_db

RIGHT = {**ADDRESS, "line1": "2 Main Street"}


def correct(api, order, **changes):
    return api.patch(f"/api/v1/orders/{order.id}", changes, content_type="application/json")


@pytest.mark.parametrize("status", ["pending", "placed", "confirmed", "processing"])
def test_an_address_is_corrected_until_the_dispatch(api, status):
    order = OrderFactory(status=status)
    corrected = correct(api, order, shipping_address=RIGHT, customer_email="ana@example.com")
    assert corrected.status_code == 200, corrected.json()
    assert corrected.json()["shipping_address"]["line1"] == "2 Main Street"
    assert corrected.json()["customer_email"] == "ana@example.com"
    assert event_data(order, "order.corrected")["fields"] == ["customer_email", "shipping_address"]
    again = correct(api, order, shipping_address=RIGHT)
    assert again.status_code == 200
    assert event_names(order).count("order.corrected") == 1, "nothing changed"


def test_what_is_shipped_is_not_corrected(api):
    order = order_of(2)
    ship(order)
    refused = correct(api, order, shipping_address=RIGHT)
    assert (refused.status_code, refused.json()["code"]) == (409, "invalid_transition")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, "shipping_address"),
        ({"shipping_address": None}, "shipping_address"),
        ({"total": "1.00"}, "total"),
        ({"customer_email": "ana"}, "customer_email"),
    ],
)
def test_other_bodies_are_refused(api, changes, field):
    refused = correct(api, OrderFactory(), **changes)
    assert refused.status_code == 400
    assert field in refused.json()["errors"]


def test_a_label_with_the_old_address_is_in_the_way(api, run_reactions):
    shipment = ShipmentFactory()
    labels.label_shipment(shipment_id=shipment.id)
    order = Shipment.objects.get(pk=shipment.id).order
    refused = correct(api, order, shipping_address=RIGHT)
    assert (refused.status_code, refused.json()["code"]) == (409, "label_is_bought")
    assert shipment.id in refused.json()["detail"]
    assert correct(api, order, customer_email="ana@example.com").status_code == 200
    creation.cancel_shipment(shipment_id=shipment.id)
    run_reactions()
    assert correct(api, order, shipping_address=RIGHT).status_code == 200


def test_another_country_has_other_taxes(api):
    abroad = {**RIGHT, "country": "MX"}
    assert correct(api, OrderFactory(status="pending"), shipping_address=abroad).status_code == 200
    refused = correct(api, OrderFactory(), shipping_address=abroad)
    assert (refused.status_code, refused.json()["code"]) == (409, "country_changed")


def test_an_order_without_an_address_is_given_one(api):
    order = OrderFactory(status="pending", shipping_address=None)
    refused = api.post(f"/api/v1/orders/{order.id}/place")
    assert (refused.status_code, refused.json()["code"]) == (422, "address_required")
    assert f"PATCH /api/v1/orders/{order.id}" in refused.json()["detail"]
    assert correct(api, order, shipping_address=RIGHT).status_code == 200
    assert api.post(f"/api/v1/orders/{order.id}/place").json()["status"] == "placed"


def test_it_needs_its_scope(caller):
    order = OrderFactory()
    assert correct(caller("orders:read"), order, shipping_address=RIGHT).status_code == 403
    right = caller("orders:correct orders:read")
    assert correct(right, order, shipping_address=RIGHT).status_code == 200


def test_the_correction_of_an_order_on_hold_does_not_release_it(api):
    order = OrderFactory()
    pay(order)
    lifecycle.hold_order(order_id=order.id, reason="address", note="No such street")
    shown = correct(api, order, shipping_address=RIGHT).json()
    assert shown["hold"]["reason"] == "address"
