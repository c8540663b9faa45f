"""The routes that create and show labels."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import signing
from django.test import Client
from django.utils import timezone

from shipments import carriers, selectors
from shipments.services import creation, label_purchase
from tests.log import event_data, event_names, latest_number
from tests.shipments.factories import BY_HAND, ShipmentFactory, create
from tests.shipments.test_views import BASE, post

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def test_a_refusal_is_an_error_with_the_carriers_message(api):
    shipment = create(service="Refused")
    response = post(api, shipment, "label")
    assert (response.status_code, response.json()["code"]) == (422, "carrier_refused")
    assert "“Refused”" in response.json()["detail"]
    assert api.get(f"{BASE}/{shipment.id}").json()["label"]["status"] == "refused"


def test_a_timeout_leaves_the_label_requested(api):
    response = post(api, create(service="Silent"), "label")
    assert (response.status_code, response.json()["label"]["status"]) == (200, "wanted")
    assert response.json()["label"]["error"] == "The sandbox does not respond."


def test_a_repeated_request_returns_the_current_state(api):
    shipment, key = create(service="Timeout"), {"Idempotency-Key": "key"}
    assert post(api, shipment, "label", headers=key).json()["status"] == "created"
    label_purchase.call_due_carriers(now=timezone.now() + timedelta(minutes=5))
    before = latest_number()
    again = post(api, shipment, "label", headers=key)
    assert (again.json()["status"], again.headers["Idempotent-Replayed"]) == (
        "label_created",
        "true",
    )
    assert event_names(shipment.order, after=before) == []


def test_the_call_of_a_killed_request_is_made_once_its_lease_has_expired(api, monkeypatch):
    shipment = ShipmentFactory()

    def kill(lease):
        raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(label_purchase, "make_calls", kill)
        with pytest.raises(SystemExit):
            post(api, shipment, "label")
    label = selectors.get(shipment.id).label
    assert (label.status, post(api, shipment, "label").json()["status"]) == ("wanted", "created")
    label_purchase.call_due_carriers(now=label.due_at)
    assert post(api, shipment, "label").json()["status"] == "label_created"


def test_a_label_entered_by_hand_is_recorded(api):
    body = {"tracking_number": "1", "label_url": "https://x.test/1", "carrier_cost": "3"}
    shipment = ShipmentFactory(by=BY_HAND)
    response = post(api, shipment, "label", body).json()
    assert (response["tracking_number"], response["carrier_cost"]) == ("1", "3.00")
    assert response["label_url"] == "https://x.test/1"
    other = post(api, ShipmentFactory(by=BY_HAND, customer_id="cust_2"), "label", body)
    assert (other.status_code, other.json()["code"]) == (422, "tracking_number_taken")


def test_the_pdf_is_available_with_a_token_and_by_its_signed_url(api):
    shipment = ShipmentFactory(status="label_created")
    url = api.get(f"{BASE}/{shipment.id}").json()["label_url"]
    path = url.removeprefix("http://localhost:8000")
    for response in (api.get(f"{BASE}/{shipment.id}/label"), Client().get(path)):
        assert (response.status_code, response["Content-Type"]) == (200, "application/pdf")
        assert response.content.startswith(b"%PDF")
    assert event_data(shipment.order, "shipment.label_created")["label_url"].startswith(url[:50])


def test_a_signed_url_is_valid_for_thirty_days_and_for_one_label(api, monkeypatch):
    shipment = ShipmentFactory(status="label_created")
    url = api.get(f"{BASE}/{shipment.id}").json()["label_url"]
    path = url.removeprefix("http://localhost:8000")
    assert Client().get(f"{path}x").status_code == 404
    signed_at = signing.time.time()
    monkeypatch.setattr(signing.time, "time", lambda: signed_at + 31 * 86400)
    late = Client().get(path)
    assert (late.status_code, late.json()["code"]) == (410, "link_expired")


def test_a_voided_label_is_not_available(api):
    shipment = ShipmentFactory(status="label_created")
    path = api.get(f"{BASE}/{shipment.id}").json()["label_url"]
    path = path.removeprefix("http://localhost:8000")
    creation.cancel_shipment(shipment_id=shipment.id)
    assert api.get(f"{BASE}/{shipment.id}").json()["label_url"] is None
    assert api.get(f"{BASE}/{shipment.id}/label").status_code == 409
    assert Client().get(path).status_code == 404


def test_a_missing_file_is_reported(api, media):
    shipment = ShipmentFactory(status="label_created")
    path = api.get(f"{BASE}/{shipment.id}").json()["label_url"]
    for file in media.rglob("*.pdf"):
        file.unlink()
    response = api.get(f"{BASE}/{shipment.id}/label")
    assert (response.status_code, response.json()["code"]) == (409, "no_label")
    assert "restore the file" in response.json()["detail"]
    assert Client().get(path.removeprefix("http://localhost:8000")).status_code == 404


def test_a_label_entered_by_hand_needs_only_a_tracking_number(api):
    shipment = ShipmentFactory(by=BY_HAND)
    for _ in range(2):
        response = post(api, shipment, "label", {"tracking_number": "1"}).json()
    assert (response["status"], response["carrier_cost"]) == ("label_created", None)
    assert event_data(shipment.order, "shipment.label_created") == {
        "shipment_id": shipment.id,
        "tracking_number": "1",
        "label_url": None,
        "carrier_cost": None,
    }


def test_a_bought_label_with_a_number_in_use_is_refused(api, carrier):
    purchased = carriers.PurchasedLabel(
        tracking_number="1", carrier_cost=Decimal(1), currency="USD", url="https://x.test/l"
    )
    carrier.responses = [purchased, purchased]
    post(api, ShipmentFactory(), "label")
    response = post(api, ShipmentFactory(), "label")
    assert (response.status_code, response.json()["code"]) == (422, "carrier_refused")
    assert "request another" in response.json()["detail"]


def test_without_a_stored_pdf_the_error_says_where_the_label_is(api):
    for status, detail in (
        ("created", "no label"),
        ("label_created", "https://x.test/l"),
    ):
        shipment = ShipmentFactory(status=status, by=BY_HAND)
        response = api.get(f"{BASE}/{shipment.id}/label")
        assert (response.status_code, response.json()["code"]) == (409, "no_label")
        assert detail in response.json()["detail"]
