"""The admin pages of shipments, carrier accounts and carrier webhooks."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from shipments import selectors
from shipments.exceptions import CarrierRefused
from shipments.models import CarrierAccount, CarrierWebhook, Shipment
from shipments.services import creation, label_purchase, lifecycle
from tests.log import event_data, event_names
from tests.shipments.factories import BY_HAND, ShipmentFactory, create, label, packed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def page(shipment):
    return reverse("admin:shipments_shipment_change", args=[shipment.id])


def command(shipment, name):
    return reverse("admin:shipments_shipment_command", args=[shipment.id, name])


def queue(client, key):
    url = reverse("admin:shipments_shipment_changelist")
    return [row.pk for row in client.get(url, {"queue": key}).context["cl"].result_list]


@pytest.mark.parametrize(
    ("status", "by", "offered"),
    [
        ("created", BY_HAND, ["Buy label", "Dispatch shipment", "Cancel shipment"]),
        ("label_created", BY_HAND, ["Dispatch shipment", "Record scan", "Cancel shipment"]),
        (
            "dispatched",
            BY_HAND,
            ["Record scan", "Record delivery", "Report lost", "Report return to sender"],
        ),
        ("lost", BY_HAND, ["Record delivery", "Record scan", "Report return to sender"]),
        ("returned_to_sender", BY_HAND, ["Record delivery"]),
        ("delivered", BY_HAND, []),
    ],
)
def test_allowed_commands_are_buttons(operator, status, by, offered):
    shown = operator().get(page(ShipmentFactory(status=status, by=by)))
    assert [button["title"] for button in shown.context["actions_detail"]] == offered


def test_an_operator_ships_packed_units(operator):
    client, fulfillment = operator(username="olga"), packed()
    add = reverse("admin:shipments_shipment_add")
    sent = {"fulfillment_id": fulfillment.id, "carrier": "manual", "service": "Van", "key": "once"}
    assert client.post(add, sent).status_code == 302
    client.post(add, sent)
    shipment = Shipment.objects.get()
    typed = {"tracking_number": "1", "label_url": "https://x.test/1", "carrier_cost": "2.50"}
    client.post(command(shipment, "label"), typed)
    client.post(command(shipment, "dispatch"), {"estimated_delivery": "2099-01-01"})
    client.post(command(shipment, "scan"), {"status": "in_transit", "location": "Memphis, TN"})
    client.post(command(shipment, "deliver"), {"recipient": "Ana", "signature": "A."})
    names = [name for name in event_names(shipment.order) if name.startswith("shipment.")]
    assert names == [
        "shipment.created",
        "shipment.label_created",
        "shipment.dispatched",
        "shipment.in_transit",
        "shipment.delivered",
    ]
    assert "Memphis, TN" in client.get(page(shipment)).content.decode()


def test_a_worker_buys_a_label_that_was_requested_in_the_admin(operator, enqueued):
    client, shipment = operator(), ShipmentFactory()
    enqueued.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.db.transaction.on_commit", lambda work, **kwargs: work())
        client.post(command(shipment, "label"), {})
    assert ("shipments.tasks.call_carrier", (shipment.id, "org_1")) in enqueued
    label_purchase.call_carrier(shipment_id=shipment.id)
    assert "/api/v1/labels/" in client.get(page(shipment)).content.decode()


@pytest.mark.parametrize(
    ("name", "end"), [("lost", "lost"), ("returned-to-sender", "returned_to_sender")]
)
def test_an_operator_records_a_lost_or_returned_shipment(operator, name, end):
    shipment = ShipmentFactory(status="in_transit")
    operator().post(command(shipment, name), {"description": "The van burnt."})
    assert selectors.get(shipment.id).status == end
    assert event_data(shipment.order, f"shipment.{end}")["status_description"] == "The van burnt."


@pytest.mark.parametrize("name", ["lost", "returned-to-sender", "scan"])
def test_a_late_command_shows_why_it_is_not_allowed(operator, name):
    shipment = ShipmentFactory(status="delivered")
    typed = {"status": "exception"} if name == "scan" else {"description": "The van burnt."}
    shown = operator().post(command(shipment, name), typed, follow=True).content.decode()
    assert "it is delivered" in shown
    assert "was reported" not in shown


def test_an_operator_scans_the_delivery_of_a_lost_shipment(operator):
    shipment = ShipmentFactory(status="lost")
    operator().post(command(shipment, "scan"), {"status": "delivered"})
    assert selectors.get(shipment.id).status == "delivered"


def test_reporting_a_loss_twice_succeeds_twice_and_records_it_once(operator):
    shipment = ShipmentFactory(status="lost")
    shown = operator().post(command(shipment, "lost"), {}, follow=True).content.decode()
    assert f"Shipment {shipment} was reported lost." in shown
    assert event_names(shipment.order).count("shipment.lost") == 1


def test_an_operator_retries_a_refused_void(operator, carrier):
    client, shipment = operator(), ShipmentFactory(status="label_created")
    creation.cancel_shipment(shipment_id=shipment.id)
    carrier.responses = [CarrierRefused("It has been used.")]
    label_purchase.call_carrier(shipment_id=shipment.id)
    assert queue(client, "labels") == [shipment.id]
    shown = client.get(page(shipment))
    assert [button["title"] for button in shown.context["actions_detail"]] == ["Call carrier now"]
    client.post(command(shipment, "retry-carrier-calls"))
    label_purchase.call_carrier(shipment_id=shipment.id)
    assert queue(client, "labels") == []


def test_the_form_shows_an_error_of_the_service(operator):
    shipment = ShipmentFactory(by=BY_HAND)
    refused = operator().post(command(shipment, "label"), {})
    assert "tracking_number is required" in refused.content.decode()


def test_work_queues_list_the_shipments_that_need_attention(operator):
    client = operator()
    new, labeled = ShipmentFactory(), ShipmentFactory(status="label_created")
    yesterday = timezone.now().date() - timedelta(days=1)
    late = lifecycle.dispatch_shipment(
        shipment_id=ShipmentFactory(status="label_created").id, estimated_delivery=yesterday
    )
    refused, silent = label(create(service="Refused")), label(create(service="Silent"))
    assert queue(client, "to-dispatch") == [silent.id, refused.id, labeled.id, new.id]
    assert queue(client, "late") == [late.id]
    assert queue(client, "labels") == [silent.id, refused.id]
    creation.cancel_shipment(shipment_id=refused.id)
    assert queue(client, "labels") == [silent.id]


def test_an_operator_retries_a_carrier_call(operator):
    shipment = label(create(service="Timeout"))
    operator().post(command(shipment, "retry-carrier-calls"))
    label_purchase.call_carrier(shipment_id=shipment.id)
    assert selectors.get(shipment.id).status == "label_created"


def test_several_shipments_are_dispatched_with_one_action(operator):
    client, shipments = operator(), [ShipmentFactory(status="label_created") for _ in range(2)]
    sent = {"action": "dispatch", "_selected_action": [each.id for each in shipments]}
    client.post(reverse("admin:shipments_shipment_changelist"), sent)
    assert {row.status for row in Shipment.objects.all()} == {"dispatched"}


def test_a_carrier_account_selects_the_adapter(operator):
    client, add = operator(), reverse("admin:shipments_carrieraccount_add")
    sent = {"organization_id": "org_1", "carrier": "FedEx", "adapter": "easypost", "account": ""}
    assert client.post(add, sent).status_code == 302
    account = CarrierAccount.objects.get()
    again = client.post(add, sent | {"carrier": "FEDEX"})
    assert "has an account with this carrier" in again.content.decode()
    change = reverse("admin:shipments_carrieraccount_change", args=[account.pk])
    assert client.post(change, {"adapter": "manual", "account": "ca_1"}).status_code == 302
    assert selectors.adapter_for("org_1", "fedex") == ("manual", "ca_1")


def test_view_permission_does_not_allow_changes(operator):
    client = operator("shipments.view_carrieraccount", "shipments.view_shipment")
    assert client.get(reverse("admin:shipments_carrieraccount_add")).status_code == 403
    assert client.get(reverse("admin:shipments_shipment_add")).status_code == 403


def test_unmatched_webhooks_are_listed(operator):
    webhook = CarrierWebhook.objects.create(
        source="easypost", event_id="evt_1", subject="1", payload="{}"
    )
    url = reverse("admin:shipments_carrierwebhook_changelist")
    listed = operator().get(url, {"queue": "unmatched"})
    assert list(listed.context["cl"].result_list) == [webhook]
