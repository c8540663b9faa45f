"""Random commands and results in random order: no cent is counted twice."""

import json
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from config.core.exceptions import DomainError
from config.core.unit_of_work import unit_of_work
from events import reactions
from events.models import EventRecord
from invoices.models import Invoice
from orders.services import goods, lifecycle
from payments import selectors
from payments.gateways import PaymentResult, RefundResult, WebhookEvent
from payments.models import Payment, PaymentAccount, Refund
from payments.services import capture, gateway, refunds, webhooks
from payments.services.gateway_results import apply_refund_result
from tests.factories import OrderFactory, buy_on_account, locked

AMOUNTS = st.decimals("0.01", "60", places=2)
TOKENS = st.sampled_from(["tok_ok", "tok_declined", "tok_timeout", "tok_slow", None])


class Life(RuleBasedStateMachine):
    """One order of 50.00 and all of its payments; each example is rolled back."""

    def __init__(self):
        super().__init__()
        self.around = transaction.atomic()
        self.around.__enter__()
        self.events = self.captures = 0

    @initialize(terms=st.sampled_from(["paid first", "on invoice", "authorized"]))
    def place(self, terms):
        """Place an order that is confirmed when it is paid, at once, or when it is authorized."""
        if terms == "authorized":
            PaymentAccount.objects.create(organization_id="org_1", confirm_on_authorization=True)
        self.order = buy_on_account() if terms == "on invoice" else OrderFactory()

    def teardown(self):
        """Cancel the order, and expect that every payment ends."""
        try:
            refunds.refund_cancelled_order(order_id=self.order.id)
            for hour in range(1, 9):
                gateway.call_due_gateways(now=timezone.now() + timedelta(hours=hour))
            for payment in self.payments():
                assert payment.due_at is None
                assert payment.status not in Payment.AWAITED
                assert payment.captured == payment.refunded + payment.refunding
        finally:
            transaction.set_rollback(True)
            self.around.__exit__(None, None, None)

    def ask(self, work, **given):
        try:
            with transaction.atomic():
                return work(**given)
        except DomainError:
            return None

    def payments(self):
        return list(Payment.objects.filter(order=self.order).order_by("id"))

    def some(self, data):
        payments = self.payments()
        return data.draw(st.sampled_from(payments)) if payments else None

    @rule(
        token=TOKENS,
        method=st.sampled_from(["sandbox", "manual"]),
        amount=st.one_of(st.none(), AMOUNTS),
        later=st.booleans(),
    )
    def start(self, token, method, amount, later):
        self.ask(
            capture.start_payment,
            order_id=self.order.id,
            method=method,
            amount=amount,
            token=token,
            captures_later=later and method == "sandbox",
        )

    @rule(amount=AMOUNTS)
    def give(self, amount):
        self.captures += 1
        self.ask(
            capture.record_external_payment,
            order_id=self.order.id,
            amount=amount,
            provider="gift_card",
            reference=str(self.captures),
            paid_at=None,
        )

    @rule(data=st.data())
    def void(self, data):
        if payment := self.some(data):
            self.ask(capture.void_payment, payment_id=payment.id)

    @rule(units=st.integers(1, 2))
    def write_off(self, units):
        line = self.order.lines[0]
        self.ask(
            goods.write_off_units,
            order_id=self.order.id,
            units={line.id: units},
            reason="other",
        )

    @rule(data=st.data(), token=TOKENS)
    def retry(self, data, token):
        if payment := self.some(data):
            self.ask(capture.retry_payment, payment_id=payment.id, token=token)

    @rule(data=st.data(), amount=st.one_of(st.none(), AMOUNTS))
    def capture(self, data, amount):
        if payment := self.some(data):
            self.ask(capture.capture_payment, payment_id=payment.id, amount=amount)

    @rule(data=st.data())
    def apply(self, data):
        if payment := self.some(data):
            self.ask(capture.apply_payment, payment_id=payment.id)

    @rule(data=st.data())
    def confirm_the_order(self, data):
        if payment := self.some(data):
            self.ask(lifecycle.confirm_order, order_id=self.order.id, payment_id=payment.id)

    @rule(data=st.data(), amount=AMOUNTS)
    def refund(self, data, amount):
        if payment := self.some(data):
            self.ask(
                refunds.request_refund, payment_id=payment.id, amount=amount, reason="operator"
            )

    @rule(data=st.data())
    def call(self, data):
        if payment := self.some(data):
            gateway.call_gateway(payment_id=payment.id)

    @rule(
        data=st.data(),
        state=st.sampled_from(
            ["waiting", "processing", "authorized", "succeeded", "declined", "cancelled"]
        ),
        amount=st.one_of(st.just(Decimal("50.00")), AMOUNTS),
        charge=st.sampled_from(["ch_1", "ch_2"]),
    )
    def report_a_payment(self, data, state, amount, charge):
        """Receive a webhook, which may be late."""
        payment = self.some(data)
        if payment and not payment.is_by_hand:  # no gateway knows of the others
            result = PaymentResult(
                state=state,
                gateway_payment_id=f"sandbox_{payment.id}",
                amount=amount,
                currency="USD",
                charge_id=charge,
                card_last4=data.draw(st.sampled_from(["4242", None])),
            )
            self.events += 1
            event = WebhookEvent(
                event_id=f"evt_{self.events}",
                event_type="x",
                account=None,
                payment_id=payment.id,
                payment_result=result,
            )
            webhooks.receive_webhook(gateway=payment.method, event=event)

    @rule(data=st.data(), state=st.sampled_from(["pending", "succeeded", "failed"]))
    def report_a_refund(self, data, state):
        refunds = list(Refund.objects.filter(payment__order=self.order).order_by("id"))
        if refunds:
            refund = data.draw(st.sampled_from(refunds))
            with unit_of_work():
                payment = selectors.get_for_update(refund.payment_id)
                refund = next(each for each in payment.refunds if each.id == refund.id)
                apply_refund_result(
                    payment, refund, RefundResult(state=state), now=payment.created_at
                )
                payment.save()

    @rule(hours=st.integers(0, 3))
    def run_the_timer(self, hours):
        gateway.call_due_gateways(now=timezone.now() + timedelta(hours=hours))

    @rule()
    def cancel_the_order(self):
        refunds.refund_cancelled_order(order_id=self.order.id)

    @invariant()
    def no_cent_is_counted_twice(self):
        for payment in self.payments():
            by_status = dict.fromkeys(Refund.Status.values, Decimal(0))
            for refund in payment.refund_set.all():
                by_status[refund.status] += refund.amount
            assert payment.refunded + payment.waived == by_status["succeeded"]
            assert payment.refunding == by_status["pending"]
            assert payment.refunded + payment.refunding <= payment.captured
            is_captured = payment.status in ("succeeded", "refunded")
            assert is_captured == (payment.captured > 0)
            assert (payment.status == "refunded") == (
                is_captured and payment.refunded == payment.captured
            )

    @invariant()
    def an_order_is_paid_once(self):
        with locked(self.order) as order:
            received, waived = selectors.received(order), selectors.waived(order)
            assert received + waived <= order.total
            assert received + selectors.authorized(order) + waived <= order.total
            if account := selectors.on_account(order):
                assert account.outstanding == order.total - received - waived

    @rule()
    def settle(self):
        """Run the deferred reactions: the invoice less its credit notes is kept, or still due."""
        reactions.run_pending(self.order.id)
        if invoice := Invoice.objects.filter(order=self.order).first():
            paying = [p for p in self.payments() if p.applies_to_order or p.is_on_account]
            kept = sum(p.captured - p.refunded + p.outstanding for p in paying)
            came_back = (r for p in paying for r in p.refunds if r.is_pending and r.error_code)
            assert invoice.creditable_amount == kept - sum(r.amount for r in came_back)

    @invariant()
    def consumers_see_the_money_that_pays_the_order_and_its_refunds(self):
        seen = {"payment.succeeded": Counter(), "payment.refunded": Counter()}
        for event in EventRecord.objects.filter(stream=self.order.id, name__in=seen):
            data = json.loads(event.body, parse_float=Decimal)["data"]
            amount = data["amount" if "amount" in data else "refund_amount"]
            seen[event.name][data["payment_id"]] += amount
        for payment in self.payments():
            is_seen = payment.applies_to_order or not (
                payment.is_mismatched or payment.surplus_of_id
            )
            captured = seen["payment.succeeded"][payment.id]
            assert captured == (payment.captured if is_seen else 0)
            assert seen["payment.refunded"][payment.id] <= captured

    @invariant()
    def no_gateway_call_is_forgotten(self):
        for payment in self.payments():
            is_waiting = payment.status == "opening" or payment.capture_amount is not None
            if payment.pending_refunds(by_hand=False) or (is_waiting and not payment.is_captured):
                assert payment.due_at or payment.abandoned_at


@pytest.mark.django_db
def test_random_commands_count_no_cent_twice():
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
