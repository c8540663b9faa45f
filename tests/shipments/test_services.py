"""Making shipments, labelling, dispatching and delivering them."""

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
from shipments.models import CarrierAccount
from shipments.services import creation, labels, lifecycle
from tests.facts import data, mark, told
from tests.fulfillment.factories import FulfillmentFactory
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


class TestCreating:
    def test_everything_that_is_packed_travels_as_the_order_says(self):
        fulfillment = packed(2, 3, shipping=SHIPPING)
        shipment = creation.create_shipment(fulfillment_id=fulfillment.id)
        assert shipment.units == dict(zip(items(fulfillment), [2, 3], strict=True))
        assert (shipment.carrier, shipment.service) == ("DHL", "Express")
        assert (shipment.signature_required, shipment.warehouse_id) == (True, "wh_1")
        assert (shipment.packages, shipment.weight) == (fulfillment.packages, Decimal("2.5"))
        assert data(shipment.order, "shipment.created") == {
            "shipment_id": shipment.id,
            "order_id": fulfillment.order_id,
            "carrier": "DHL",
            "service": "Express",
            "shipping_cost": "9.90",
        }

    def test_the_customer_pays_the_shipping_once(self):
        fulfillment = packed(3, shipping=SHIPPING)
        first, second = (create(fulfillment, units={items(fulfillment)[0]: 1}) for _ in range(2))
        assert (first.shipping_cost, second.shipping_cost) == (Decimal("9.90"), 0)
        creation.cancel_shipment(shipment_id=first.id)
        creation.cancel_shipment(shipment_id=second.id)
        assert create(fulfillment).shipping_cost == Decimal("9.90")

    def test_what_is_given_goes_before_what_the_order_says(self):
        given = {"shipping_cost": Decimal("1.00"), "signature_required": False}
        shipment = create(packed(shipping=SHIPPING), carrier="UPS", **given)
        assert (shipment.carrier, shipment.service) == ("UPS", "Ground")
        assert (shipment.shipping_cost, shipment.signature_required) == (1, False)

    def test_a_part_is_a_parcel_of_its_share_of_the_weight(self):
        fulfillment = packed(3)
        (item,) = items(fulfillment)
        shipment = create(fulfillment, units={item: 1})
        assert (shipment.packages, shipment.weight) == ([{"weight": "0.834"}], Decimal("0.834"))
        rest = create(fulfillment)
        assert rest.units == {item: 2}

    def test_live_shipments_never_hold_more_than_was_packed(self):
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
        assert selectors.shipped_units(fulfillment.id) == {item: 3}

    def test_what_was_lost_is_not_packed_any_more_what_is_cancelled_is(self):
        lost, cancelled = ShipmentFactory(status="lost"), ShipmentFactory(status="cancelled")
        with pytest.raises(NothingToShip):
            create(lost.fulfillment)
        assert create(cancelled.fulfillment).units == cancelled.units

    @pytest.mark.parametrize("status", ["open", "started", "cancelled"])
    def test_what_is_not_packed_is_not_shipped(self, status):
        fulfillment = FulfillmentFactory(status=status)
        with pytest.raises(Conflict):
            create(fulfillment)

    def test_a_carrier_is_needed(self):
        with pytest.raises(CarrierRequired, match="give both"):
            creation.create_shipment(fulfillment_id=packed().id)

    def test_an_amount_that_the_currency_has_not_is_refused(self):
        with pytest.raises(InexactAmount):
            create(packed(currency="JPY"), shipping_cost=Decimal("1.50"))

    def test_nothing_is_shipped_of_a_cancelled_order(self):
        shipment = ShipmentFactory(status="cancelled")
        factories.cancel_order(shipment)
        with pytest.raises(Conflict, match="is cancelled"):
            create(shipment.fulfillment)


class TestLabelsByHand:
    def test_an_operator_types_what_is_on_the_label(self):
        shipment = ShipmentFactory(by=BY_HAND)
        made = labels.label_shipment(
            shipment_id=shipment.id,
            tracking_number="123456789",
            label_url="https://x.test/label",
            carrier_cost=Decimal("12.5"),
        )
        assert made.status == "label_created"
        assert data(made.order, "shipment.label_created") == {
            "shipment_id": shipment.id,
            "tracking_number": "123456789",
            "label_url": "https://x.test/label",
            "carrier_cost": "12.50",
        }

    def test_the_number_is_needed(self):
        with pytest.raises(DomainError, match="tracking_number"):
            labels.label_shipment(shipment_id=ShipmentFactory(by=BY_HAND).id)

    def test_one_number_is_one_parcel_under_way(self):
        first, second, other = (ShipmentFactory(by=BY_HAND) for _ in range(3))
        label(first, tracking_number="1")
        with pytest.raises(TrackingNumberTaken):
            label(second, tracking_number="1")
        theirs = ShipmentFactory(by=BY_HAND, organization_id="org_2")
        label(theirs, tracking_number="1")
        creation.cancel_shipment(shipment_id=first.id)
        label(second, tracking_number="1")
        factories.scan(dispatch(second), "delivered")
        label(other, tracking_number="1")

    def test_own_vans_need_no_label(self):
        shipment = dispatch(ShipmentFactory(by=BY_HAND))
        assert (shipment.status, shipment.tracking_number) == ("dispatched", None)
        assert data(shipment.order, "shipment.dispatched")["warehouse_id"] == "wh_1"

    def test_of_a_carrier_with_an_adapter_nothing_is_typed(self):
        with pytest.raises(DomainError, match="leave out tracking_number"):
            label(ShipmentFactory(), tracking_number="1")


class TestRepeating:
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
    def test_what_stands_already_is_not_recorded_again(self, status, again, by):
        shipment, before = ShipmentFactory(status=status, by=by), mark()
        assert again(shipment).status == status
        assert told(shipment.order, after=before) == []

    def test_with_other_arguments_it_is_refused(self):
        shipment = ShipmentFactory(status="dispatched")
        with pytest.raises(InvalidTransition):
            dispatch(shipment, estimated_delivery=date(2031, 1, 1))
        arrived = lifecycle.deliver_shipment(shipment_id=shipment.id, recipient="Ana")
        assert arrived.recipient == "Ana"
        with pytest.raises(InvalidTransition):
            lifecycle.deliver_shipment(shipment_id=shipment.id, recipient="Bob")


def test_nothing_of_a_cancelled_order_leaves():
    shipment = ShipmentFactory(status="label_created")
    factories.cancel_order(shipment)
    with pytest.raises(OrderIsCancelled):
        dispatch(shipment)
    factories.scan(shipment, "in_transit")
    assert selectors.get(shipment.id).status == "label_created", "its scan is kept, and no more"


def test_an_order_of_which_something_left_is_cancelled_no_more():
    shipment = ShipmentFactory(status="dispatched")
    assert selectors.is_any_dispatched(shipment.order_id)
    with pytest.raises(Conflict):
        factories.cancel_order(shipment)


def test_the_proof_of_delivery_is_kept_with_its_time():
    at = timezone.now() - timedelta(hours=2)
    shipment = lifecycle.deliver_shipment(
        shipment_id=aged(ShipmentFactory(status="in_transit")).id,
        recipient="Juan Pérez",
        signature="J. P.",
        delivery_photo_url="https://x.test/photo.jpg",
        delivered_at=at,
    )
    assert data(shipment.order, "shipment.delivered") == {
        "shipment_id": shipment.id,
        "delivered_at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "recipient": "Juan Pérez",
        "signature_required": False,
    }


class TestAdapters:
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
    def test_without_an_account_the_name_decides_and_then_the_sandbox(
        self, carrier, sandbox, adapter, settings
    ):
        settings.CARRIER_SANDBOX = sandbox
        assert selectors.adapter_for("org_1", carrier) == (adapter, None)

    def test_an_account_decides_for_its_organization_in_whatever_case(self):
        given = {"organization_id": "org_1", "adapter": "easypost", "account": "ca_1"}
        CarrierAccount.objects.create(carrier="FedEx", **given)
        with pytest.raises(ValidationError, match="has an account with this carrier"):
            CarrierAccount(carrier="FEDEX", **given | {"account": "ca_2"}).full_clean()
        assert selectors.adapter_for("org_1", "fedex") == ("easypost", "ca_1")
        assert selectors.adapter_for("org_2", "fedex") == ("sandbox", None)


def test_not_packed_says_what_to_do():
    with pytest.raises(NotPacked, match="pack it first"):
        create(FulfillmentFactory(status="started"))
