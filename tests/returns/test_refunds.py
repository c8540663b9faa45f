"""Refund returns, never more than the accepted units, and nothing twice."""

from decimal import Decimal

import pytest

from events.aggregate import InvalidTransition
from payments import selectors as payment_selectors
from payments.services import gateway
from payments.services.refunds import request_refund
from returns import selectors, services
from returns.exceptions import RefundExceedsReturn, RefundOutstanding
from returns.models import Policy
from tests import factories
from tests.factories import LineFactory, invoice_of
from tests.log import event_data, event_names, latest_number
from tests.returns.factories import (
    ReturnFactory,
    amounts,
    approve,
    close,
    fail_refund,
    pay_out,
    receive,
    refund,
)

pytestmark = pytest.mark.django_db


class TestRefunding:
    def test_the_return_is_refunded_when_the_refund_succeeds(self, run_reactions):
        row = ReturnFactory(status="received")
        run_reactions()
        before = latest_number()
        services.refund_return(return_id=row.id)
        run_reactions()
        assert event_names(row.order, after=before) == ["return.refund_due", "refund.requested"]
        assert amounts(row) == ("received", 50, 0)
        [payment] = payment_selectors.of_order(row.order_id)
        gateway.call_gateway(payment_id=payment.id)
        run_reactions()
        assert event_names(row.order, after=before)[2:] == [
            "payment.refunded",
            "refund.succeeded",
            "return.refunded",
            "credit_note.issued",
        ]
        assert amounts(row) == ("refunded", 0, 50)
        assert event_data(row.order, "payment.refunded")["refund_reason"] == "customer_return"
        refunded = event_data(row.order, "return.refunded")
        assert (refunded["refund_amount"], refunded["refund_method"]) == (
            "50.00",
            "original_payment",
        )
        [given] = payment_selectors.of_order(row.order_id)[0].refunds
        assert given.cause == row.id
        assert invoice_of(row.order).creditable_amount == 0

    @pytest.mark.parametrize("method", ["store_credit", "manual"])
    def test_a_manual_refund_completes_the_return_when_it_is_recorded(self, method, run_reactions):
        row = ReturnFactory(status="received")
        refund(row, "40", refund_method=method)
        run_reactions()
        assert amounts(row) == ("received", 40, 0)
        assert pay_out(row).status == "refunded"
        refunded = event_data(row.order, "return.refunded")
        assert (refunded["refund_amount"], refunded["refund_method"]) == ("40.00", method)
        assert "payment.refunded" not in event_names(row.order), "the gateway has paid nothing out"

    def test_a_repeated_request_changes_nothing(self):
        row = ReturnFactory(status="received")
        before = latest_number()
        for amount in ("20", "20", None):
            amount = amount and Decimal(amount)
            services.refund_return(return_id=row.id, amount=amount)
        assert event_names(row.order, after=before) == ["return.refund_due", "refund.requested"]
        with pytest.raises(InvalidTransition, match="no refund for it is pending"):
            services.refund_return(return_id=row.id, amount=Decimal(10))
        pay_out(row)
        refund(row, "20")
        assert event_names(row.order).count("return.refund_due") == 1

    def test_the_credit_note_takes_back_the_accepted_units_and_lists_the_fee(self, run_reactions):
        Policy.objects.create(organization_id="org_1", restocking_fee=Decimal("0.10"))
        items = [
            LineFactory(unit_price=Decimal(10), tax_rate=Decimal("0.07")),
            LineFactory(unit_price=Decimal(100), tax_rate=Decimal("0.19")),
        ]
        row = ReturnFactory(items=items)
        approve(row)
        receive(row, 1, 0)
        receive(row, 1, 0, accepted=False)
        close(row)
        refund(row)
        pay_out(row)
        run_reactions()
        [note] = invoice_of(row.order).credit_notes
        lines = [(line["kind"], line["quantity"], line["total"]) for line in note.lines]
        assert lines == [("item", 1, "10.70"), ("fee", 0, "-1.07")]
        assert note.rates == [{"tax_rate": "0.07", "net": "9.00", "tax": "0.63", "total": "9.63"}]

    def test_a_refund_that_failed_is_requested_again_with_its_lines(self, run_reactions):
        row = ReturnFactory(status="received")
        refund(row)
        fail_refund(row)
        run_reactions()
        refund(row, refund_method="store_credit")
        pay_out(row)
        run_reactions()
        [note] = invoice_of(row.order).credit_notes
        assert [(line["kind"], line["quantity"]) for line in note.lines] == [("item", 2)]

    def test_a_bounced_refund_does_not_reopen_the_return(self, run_reactions):
        row = ReturnFactory(status="refunded")
        run_reactions()
        before = latest_number()
        fail_refund(row)
        run_reactions()
        assert amounts(row) == ("refunded", 0, 50)
        assert event_names(row.order, after=before) == ["refund.failed"]


class TestMaximum:
    def refused(self, row, amount, **given):
        with pytest.raises(RefundExceedsReturn) as refused:
            services.refund_return(return_id=row.id, amount=Decimal(amount), **given)
        return refused.value.details["max_refundable"]

    def test_at_most_the_approved_amount_is_refunded(self):
        row = ReturnFactory()
        approve(row, refund_amount=Decimal(30))
        receive(row)
        assert self.refused(row, "30.01") == "30.00"

    def test_the_override_refunds_at_most_the_received_units(self):
        row = ReturnFactory()
        approve(row, refund_amount=Decimal(10))
        receive(row, 1)
        close(row)
        assert self.refused(row, "25.01", may_exceed=True) == "25.00"
        refund(row, "25", may_exceed=True)
        assert pay_out(row).refunded_amount == 25

    def test_the_override_refunds_a_return_approved_with_zero(self):
        row = ReturnFactory()
        approve(row, refund_amount=Decimal(0))
        receive(row)
        with pytest.raises(InvalidTransition, match="some of the approved amount"):
            refund(row, "1")
        refund(row, "1", may_exceed=True)
        assert pay_out(row).refunded_amount == 1

    def test_only_accepted_units_are_refunded(self):
        row = ReturnFactory(status="approved")
        receive(row, 1)
        receive(row, 1, accepted=False)
        for may_exceed in (False, True):
            assert self.refused(row, "25.01", may_exceed=may_exceed) == "25.00"

    def test_fee_and_postage_are_deducted_from_the_received_units(self):
        Policy.objects.create(
            organization_id="org_1", restocking_fee=Decimal("0.10"), postage_paid_by="customer"
        )
        row = ReturnFactory()
        approve(row, return_shipping_cost=Decimal("4.00"))
        receive(row, 1)
        close(row)
        assert selectors.get(row.id).max_refund == Decimal("18.50")

    def test_at_most_the_remaining_payment_is_refunded(self):
        row = ReturnFactory(status="received")
        [payment] = payment_selectors.of_order(row.order_id)
        factories.refund(payment, "15")
        assert self.refused(row, "35.01") == "35.00"
        refund(row)
        assert amounts(row) == ("received", 35, 0)
        assert pay_out(row).refunded_amount == 35

    def test_a_return_whose_money_was_refunded_otherwise_can_only_be_closed(self):
        row = ReturnFactory(status="received")
        [payment] = payment_selectors.of_order(row.order_id)
        factories.refund(payment, "50")
        for amount in (None, Decimal(1)):
            with pytest.raises(InvalidTransition, match="can still be refunded") as refused:
                services.refund_return(return_id=row.id, amount=amount, may_exceed=True)
            assert refused.value.details == {"allowed_actions": ["close"]}
        assert services.close_return(return_id=row.id).status == "closed"

    def test_units_that_an_operator_has_refunded_are_not_refunded_again(self):
        row = ReturnFactory(items=[LineFactory(), LineFactory()], status="approved")
        receive(row, 2, 0)
        close(row)
        [payment] = payment_selectors.of_order(row.order_id)
        items = [{"order_item_id": row.lines[0].order_item_id, "quantity": 1, "amount": None}]
        request_refund(payment_id=payment.id, reason="operator", items=items)
        assert self.refused(row, "25.01") == "25.00"
        refund(row)
        assert pay_out(row).refunded_amount == 25

    def test_a_return_of_refunded_units_can_only_be_closed(self):
        row = ReturnFactory(items=[LineFactory(), LineFactory()], status="approved")
        receive(row, 2, 0)
        close(row)
        [payment] = payment_selectors.of_order(row.order_id)
        items = [{"order_item_id": row.lines[0].order_item_id, "quantity": 2, "amount": None}]
        request_refund(payment_id=payment.id, reason="operator", items=items)
        with pytest.raises(InvalidTransition, match="can still be refunded"):
            refund(row)
        assert services.close_return(return_id=row.id).status == "closed"

    def test_a_part_that_is_left_must_be_refunded_or_waived(self):
        row = ReturnFactory(status="received")
        [payment] = payment_selectors.of_order(row.order_id)
        factories.refund(payment, "45")
        with pytest.raises(RefundOutstanding, match=r"5\.00 USD can be refunded"):
            services.close_return(return_id=row.id)
        refund(row)
        assert pay_out(row).refunded_amount == 5

    def test_the_approval_promises_what_the_payment_has_left(self):
        row = ReturnFactory()
        [payment] = payment_selectors.of_order(row.order_id)
        factories.refund(payment, "35")
        with pytest.raises(RefundExceedsReturn) as refused:
            approve(row, refund_amount=Decimal("15.01"))
        assert refused.value.details == {"max_refundable": "15.00"}
        approve(row)
        assert event_data(row.order, "return.approved")["refund_amount"] == "15.00"
        factories.refund(payment, "15")
        assert approve(row).status == "approved"  # repeated

    def test_a_partly_received_return_is_not_refunded(self):
        row = ReturnFactory(status="approved")
        receive(row, 1)
        with pytest.raises(InvalidTransition, match="it is approved"):
            refund(row)
