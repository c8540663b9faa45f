"""Services: create, label, dispatch and deliver shipments."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from config.core.exceptions import Conflict, DomainError
from config.core.money import InexactAmount
from events.aggregate import InvalidTransition
from orders.exceptions import OrderIsCancelled
from shipments import selectors
from shipments.exceptions import (
    CarrierRequired,
    NothingToShip,
    NotPacked,
    TrackingNumberTaken,
)
from shipments.models import CarrierAccount, Shipment
from shipments.services import creation, labels, lifecycle
from tests.factories import locked
from tests.fulfillment.factories import FulfillmentFactory
from tests.log import event_data, event_names, latest_number
from tests.reacting import as_rows
from tests.shipments import factories
from tests.shipments.factories import (
    BY_HAND,
    ShipmentFactory,
    aged,
    create,
    dispatch,
    label,
    packed,
)

pytestmark = pytest.mark.django_db

SHIPPING = {
    "carrier": "DHL",
    "service": "Express",
    "cost": Decimal("9.90"),
    "tax_rate": Decimal("0.16"),
    "signature_required": True,
}


def items(fulfillment):
    return [line.order_item_id for line in fulfillment.lines]


class TestCreateShipment:
    def test_by_default_all_packed_units_are_shipped_as_the_order_says(self):
        fulfillment = packed(2, 3, shipping=SHIPPING)
        shipment = Shipment.objects.get(order=fulfillment.order_id)
        assert shipment.units == dict(zip(items(fulfillment), [2, 3], strict=True))
        assert (shipment.carrier, shipment.service) == ("DHL", "Express")
        assert (shipment.signature_required, shipment.warehouse_id) == (True, "wh_1")
        assert (shipment.packages, shipment.weight) == (fulfillment.packages, Decimal("2.5"))
        assert event_data(shipment.order, "shipment.created") == {
            "shipment_id": shipment.id,
            "order_id": fulfillment.order_id,
            "carrier": "DHL",
            "service": "Express",
            "shipping_cost": "9.90",
        }

    def test_the_customer_pays_the_shipping_cost_once(self):
        with as_rows():  # otherwise all units are in one shipment
            fulfillment = packed(3, shipping=SHIPPING)
        first, second = (create(fulfillment, units={items(fulfillment)[0]: 1}) for _ in range(2))
        assert (first.shipping_cost, second.shipping_cost) == (Decimal("9.90"), 0)
        creation.cancel_shipment(shipment_id=first.id)
        creation.cancel_shipment(shipment_id=second.id)
        assert create(fulfillment).shipping_cost == Decimal("9.90")

    def test_arguments_override_the_order(self):
        given = {"shipping_cost": Decimal("1.00"), "signature_required": False}
        with as_rows():
            fulfillment = packed(shipping=SHIPPING)
        shipment = create(fulfillment, carrier="UPS", **given)
        assert (shipment.carrier, shipment.service) == ("UPS", "Ground")
        assert (shipment.shipping_cost, shipment.signature_required) == (1, False)

    def test_a_part_of_the_units_is_one_package_with_its_share_of_the_weight(self):
        fulfillment = packed(3)
        (item,) = items(fulfillment)
        shipment = create(fulfillment, units={item: 1})
        assert (shipment.packages, shipment.weight) == ([{"weight": "0.834"}], Decimal("0.834"))
        rest = create(fulfillment)
        assert rest.units == {item: 2}

    def test_shipments_never_contain_more_units_than_were_packed(self):
        fulfillment = packed(3)
        (item,) = items(fulfillment)
        create(fulfillment, units={item: 2})
        with pytest.raises(DomainError, match="only 1 are packed"):
            create(fulfillment, units={item: 2})
        with pytest.raises(DomainError, match="only 0 are packed"):
            create(fulfillment, units={"item_no": 1})
        create(fulfillment, units={item: 1})
        with pytest.raises(NothingToShip):
            create(fulfillment)
        with locked(fulfillment.order) as order:
            assert selectors.shipped_units(order, fulfillment.id) == {item: 3}

    def test_units_of_lost_shipments_are_not_packed_those_of_cancelled_ones_are(self):
        lost, cancelled = ShipmentFactory(status="lost"), ShipmentFactory(status="cancelled")
        with pytest.raises(NothingToShip):
            create(lost.fulfillment)
        assert create(cancelled.fulfillment).units == cancelled.units

    @pytest.mark.parametrize("status", ["open", "started", "cancelled"])
    def test_units_that_are_not_packed_are_not_shipped(self, status):
        fulfillment = FulfillmentFactory(status=status)
        with pytest.raises(Conflict):
            create(fulfillment)

    def test_a_carrier_is_required(self):
        with pytest.raises(CarrierRequired, match="give both"):
            creation.create_shipment(fulfillment_id=packed().id)

    def test_an_amount_with_too_many_decimals_is_refused(self):
        with pytest.raises(InexactAmount):
            create(packed(currency="JPY"), shipping_cost=Decimal("1.50"))

    def test_units_of_a_cancelled_order_are_not_shipped(self):
        shipment = ShipmentFactory(status="cancelled")
        factories.cancel_order(shipment)
        with pytest.raises(Conflict, match="is cancelled"):
            create(shipment.fulfillment)


class TestManualLabels:
    def test_an_operator_enters_the_data_of_the_label(self):
        shipment = ShipmentFactory(by=BY_HAND)
        made = labels.label_shipment(
            shipment_id=shipment.id,
            tracking_number="123456789",
            label_url="https://x.test/label",
            carrier_cost=Decimal("12.5"),
        )
        assert made.status == "label_created"
        assert event_data(made.order, "shipment.label_created") == {
            "shipment_id": shipment.id,
            "tracking_number": "123456789",
            "label_url": "https://x.test/label",
            "carrier_cost": "12.50",
        }

    def test_the_tracking_number_is_required(self):
        with pytest.raises(DomainError, match="tracking_number"):
            labels.label_shipment(shipment_id=ShipmentFactory(by=BY_HAND).id)

    def test_a_tracking_number_is_unique_among_shipments_under_way(self):
        first, second, other = (
            ShipmentFactory(by=BY_HAND, customer_id=f"cust_{n}") for n in range(3)
        )
        label(first, tracking_number="1")
        with pytest.raises(TrackingNumberTaken):
            label(second, tracking_number="1")
        theirs = ShipmentFactory(by=BY_HAND, organization_id="org_2")
        label(theirs, tracking_number="1")
        creation.cancel_shipment(shipment_id=first.id)
        label(second, tracking_number="1")
        factories.scan(dispatch(second), "delivered")
        label(other, tracking_number="1")

    def test_a_manual_shipment_can_be_dispatched_without_a_label(self):
        shipment = dispatch(ShipmentFactory(by=BY_HAND))
        assert (shipment.status, shipment.tracking_number) == ("dispatched", None)
        assert event_data(shipment.order, "shipment.dispatched")["warehouse_id"] == "wh_1"

    def test_a_label_that_the_carrier_sells_cannot_be_entered(self):
        with pytest.raises(DomainError, match="leave out the tracking number"):
            label(ShipmentFactory(), tracking_number="1")


class TestRepeatedCalls:
    @pytest.mark.parametrize(
        ("status", "again"),
        [
            ("label_created", lambda s: label(s)),
            ("dispatched", lambda s: dispatch(s)),
            ("in_transit", lambda s: dispatch(s)),
            ("delivered", lambda s: lifecycle.deliver_shipment(shipment_id=s.id)),
            ("cancelled", lambda s: creation.cancel_shipment(shipment_id=s.id)),
        ],
    )
    @pytest.mark.parametrize("by", [factories.TO, BY_HAND], ids=["sandbox", "manual"])
    def test_a_repeated_call_records_no_event(self, status, again, by):
        shipment, before = ShipmentFactory(status=status, by=by), latest_number()
        assert again(shipment).status == status
        assert event_names(shipment.order, after=before) == []

    def test_a_repeated_call_with_other_arguments_is_refused(self):
        shipment = ShipmentFactory(status="dispatched")
        with pytest.raises(InvalidTransition):
            dispatch(shipment, estimated_delivery=date(2031, 1, 1))
        arrived = lifecycle.deliver_shipment(shipment_id=shipment.id, recipient="Ana")
        assert arrived.recipient == "Ana"
        with pytest.raises(InvalidTransition):
            lifecycle.deliver_shipment(shipment_id=shipment.id, recipient="Bob")


def test_a_shipment_of_a_cancelled_order_is_not_dispatched():
    shipment = ShipmentFactory(status="label_created")
    factories.cancel_order(shipment)
    with pytest.raises(OrderIsCancelled):
        dispatch(shipment)
    factories.scan(shipment, "in_transit")
    assert selectors.get(shipment.id).status == "label_created", "its scan is stored without effect"


def test_an_order_with_a_dispatched_shipment_cannot_be_cancelled():
    shipment = ShipmentFactory(status="dispatched")
    with locked(shipment.order) as order:
        assert selectors.is_any_dispatched(order)
    with pytest.raises(Conflict):
        factories.cancel_order(shipment)


def test_the_proof_of_delivery_and_its_time_are_recorded():
    at = timezone.now() - timedelta(hours=2)
    shipment = lifecycle.deliver_shipment(
        shipment_id=aged(ShipmentFactory(status="in_transit")).id,
        recipient="Juan Pérez",
        signature="J. P.",
        delivery_photo_url="https://x.test/photo.jpg",
        delivered_at=at,
    )
    assert event_data(shipment.order, "shipment.delivered") == {
        "shipment_id": shipment.id,
        "delivered_at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "recipient": "Juan Pérez",
        "signature_required": False,
    }


class TestAdapterFor:
    @pytest.mark.parametrize(
        ("carrier", "sandbox", "adapter"),
        [
            ("FedEx", True, "sandbox"),
            ("FedEx", False, "manual"),
            ("Manual", True, "manual"),
            ("Sandbox", False, "sandbox"),
            ("EasyPost", True, "easypost"),
        ],
    )
    def test_without_an_account_the_name_selects_the_adapter_then_the_sandbox(
        self, carrier, sandbox, adapter, settings
    ):
        settings.CARRIER_SANDBOX = sandbox
        assert selectors.adapter_for("org_1", carrier) == (adapter, None)

    def test_an_account_selects_the_adapter_ignoring_case(self):
        given = {"organization_id": "org_1", "adapter": "easypost", "account": "ca_1"}
        CarrierAccount.objects.create(carrier="FedEx", **given)
        with pytest.raises(ValidationError, match="has an account with this carrier"):
            CarrierAccount(carrier="FEDEX", **given | {"account": "ca_2"}).full_clean()
        assert selectors.adapter_for("org_1", "fedex") == ("easypost", "ca_1")
        assert selectors.adapter_for("org_2", "fedex") == ("sandbox", None)


def test_the_error_for_unpacked_units_says_what_to_do():
    with pytest.raises(NotPacked, match="pack it first"):
        create(FulfillmentFactory(status="started"))
