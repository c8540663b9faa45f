"""Request and approve returns."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from config.core.money import InexactAmount
from events.aggregate import InvalidTransition
from events.models import EventRecord
from orders.exceptions import TooManyUnits, UnknownOrderItem
from returns import selectors, services
from returns.exceptions import RefundExceedsReturn, ReturnWindowClosed
from returns.models import Policy, Return
from tests.factories import LineFactory, OrderFactory, deliver, order_of, ship
from tests.log import event_data, event_names, latest_number
from tests.returns.factories import SEVEN, ReturnFactory, approve, close, receive, request

pytestmark = pytest.mark.django_db


def units(row):
    return [line.unit_numbers for line in selectors.get(row.id).lines]


def policy(**rules):
    Policy.objects.create(organization_id="org_1", **rules)


class TestRequesting:
    def test_the_event_has_the_units_and_the_reason(self):
        order = order_of(3, 2, status="delivered")
        row = request(order, 2, 1, reason="too_big")
        event = event_data(order, "return.requested")
        assert event["rma_number"] == f"RMA-{timezone.now():%Y}-0001"
        assert (event["return_id"], event["reason"]) == (row.id, "too_big")
        assert [(item["variant_id"], item["quantity"]) for item in event["items"]] == [
            ("var_0", 2),
            ("var_1", 1),
        ]
        assert row.value == Decimal("75.00")

    def test_only_delivered_units_are_returned(self):
        order = order_of(3)
        ship(order, units={order.lines[0].id: 2})
        with pytest.raises(TooManyUnits, match="available: 0; requested: 1"):
            request(order, 1)
        deliver(order)
        request(order, 2)
        with pytest.raises(TooManyUnits):
            request(order, 1)

    def test_a_line_of_another_order_is_refused(self):
        order = OrderFactory(status="delivered")
        item = {"order_item_id": "item_no", "quantity": 1, "reason": None}
        with pytest.raises(UnknownOrderItem):
            services.request_return(order_id=order.id, reason="other", items=[item])

    def test_a_refused_request_uses_no_rma_number(self):
        order = OrderFactory(status="delivered")
        with pytest.raises(TooManyUnits):
            request(order, 3)
        assert request(order).rma_number.endswith("-0001")

    def test_each_return_takes_the_first_free_units(self):
        order = OrderFactory(**SEVEN)
        first, second = request(order, 2), request(order, 3)
        assert (units(first), units(second)) == ([[1, 2]], [[3, 4, 5]])
        services.cancel_return(return_id=first.id)
        assert units(request(order, 3)) == [[1, 2, 6]]

    @pytest.mark.parametrize("end", [services.reject_return, services.cancel_return])
    def test_units_of_an_ended_return_can_be_requested_again(self, end):
        row = ReturnFactory()
        end(return_id=row.id)
        assert units(request(row.order)) == [[1, 2]]

    def test_units_that_were_cut_short_can_be_requested_again(self):
        order = OrderFactory(**SEVEN)
        row = request(order, 4)
        approve(row)
        receive(row, 1)
        close(row)
        assert units(request(order, 6)) == [[2, 3, 4, 5, 6, 7]]

    def test_units_that_were_not_accepted_cannot_be_requested_again(self):
        row = ReturnFactory(status="approved")
        receive(row, accepted=False)
        close(row)
        with pytest.raises(TooManyUnits):
            request(row.order, 1)

    def test_a_return_does_not_change_the_status_of_the_order(self, run_reactions):
        row = ReturnFactory(status="refunded")
        run_reactions()
        row.order.refresh_from_db()
        assert row.order.status == "delivered"


class TestWindow:
    def delivered(self, days):
        order = OrderFactory(status="shipped")
        return deliver(order, at=timezone.now() - timedelta(days=days))

    def test_the_window_is_thirty_days_by_default(self):
        assert request(self.delivered(days=29)).status == "requested"
        with pytest.raises(ReturnWindowClosed, match="could be returned for 30 days"):
            request(self.delivered(days=31))

    def test_the_window_of_a_line_starts_with_its_latest_delivery(self):
        order = order_of(2, 1)
        first, second = order.lines
        for n, (line, days) in enumerate([(first, 40), (second, 40), (first, 1)]):
            ship(order, f"ship_{n}", units={line.id: 1})
            deliver(order, f"ship_{n}", at=timezone.now() - timedelta(days=days))
        assert request(order, 2).value == 50
        with pytest.raises(ReturnWindowClosed, match=second.id):
            request(order, 0, 1)

    def test_an_override_reason_ignores_the_window(self):
        row = request(self.delivered(days=31), override_reason="It was in hospital.")
        assert Return.objects.get(pk=row.id).override_reason == "It was in hospital."

    @pytest.mark.parametrize(("days", "age"), [(5, 6), (0, 0.001)])
    def test_a_policy_sets_the_window_of_an_organization(self, days, age):
        policy(window_days=days)
        with pytest.raises(ReturnWindowClosed):
            request(self.delivered(days=age))

    @pytest.mark.parametrize("days", [90, 1_000_000, 2_147_483_647])
    def test_the_settings_set_the_default_window(self, days, settings):
        settings.RETURN_WINDOW_DAYS = days
        assert request(self.delivered(days=80)).status == "requested"


class TestApproving:
    def test_the_event_has_the_maximum_refund(self):
        row = approve(ReturnFactory(), return_shipping_label_url="https://x.example/label")
        event = event_data(row.order, "return.approved")
        assert event["refund_amount"] == "50.00"
        assert event["return_shipping_label_url"] == "https://x.example/label"
        assert event["approved_by"] == "system"

    @pytest.mark.parametrize(
        ("rules", "cost", "most"),
        [
            ({}, "4.90", "50.00"),
            ({"restocking_fee": Decimal("0.15")}, "0", "42.50"),
            ({"postage_paid_by": "customer"}, "4.90", "45.10"),
            ({"restocking_fee": Decimal("0.15"), "postage_paid_by": "customer"}, "4.90", "37.60"),
            ({"restocking_fee": Decimal("0.0001")}, "0", "49.99"),  # half up
            ({"restocking_fee": Decimal(1)}, "0", "0.00"),
            ({"postage_paid_by": "customer"}, "60", "0.00"),
        ],
    )
    def test_the_policy_sets_the_deductions(self, rules, cost, most):
        policy(**rules)
        row = approve(ReturnFactory(), return_shipping_cost=Decimal(cost))
        assert event_data(row.order, "return.approved")["refund_amount"] == most

    def test_a_later_policy_does_not_change_an_approved_return(self):
        row = ReturnFactory(status="approved")
        policy(restocking_fee=Decimal("0.5"))
        receive(row)
        assert selectors.get(row.id).max_refund == 50

    def test_the_approved_amount_can_be_lowered_and_not_raised(self):
        row = ReturnFactory()
        with pytest.raises(RefundExceedsReturn) as refused:
            approve(row, refund_amount=Decimal("50.01"))
        assert refused.value.details == {"max_refundable": "50.00"}
        with pytest.raises(InexactAmount):
            approve(row, refund_amount=Decimal("0.001"))
        approve(row, refund_amount=Decimal("20.00"))
        assert event_data(row.order, "return.approved")["refund_amount"] == "20.00"

    def test_a_currency_without_decimals_is_rounded_to_units(self):
        policy(restocking_fee=Decimal("0.15"))
        order = OrderFactory(
            currency="JPY",
            items=[LineFactory(quantity=1, unit_price=Decimal(1299))],
            status="delivered",
        )
        approve(request(order))
        body = EventRecord.objects.get(stream=order.id, name="return.approved").body
        assert '"refund_amount":1104}' in body

    def test_a_repeated_approval_changes_nothing(self):
        row, terms = ReturnFactory(), {"refund_amount": Decimal(20), "note": "As a courtesy."}
        approve(row, **terms)
        before = latest_number()
        approve(row, **terms)
        assert event_names(row.order, after=before) == []
        with pytest.raises(InvalidTransition, match="it is approved"):
            approve(row, refund_amount=Decimal(30))

    def test_the_rejection_event_has_the_actor_and_the_note(self):
        row = ReturnFactory()
        services.reject_return(return_id=row.id, note="It was sold as seen.")
        assert event_data(row.order, "return.rejected") == {
            "return_id": row.id,
            "order_id": row.order_id,
            "rejected_by": "system",
            "note": "It was sold as seen.",
        }
