"""The admin pages of payments."""

import pytest
from django.urls import reverse

from events.models import EventRecord
from payments import selectors
from payments.models import GatewayWebhook, Payment, PaymentAccount
from payments.services import gateway
from tests.factories import OrderFactory, PaymentFactory, cancel, refund, start_payment
from tests.log import event_data, event_names

pytestmark = pytest.mark.django_db


def page(payment):
    return reverse("admin:payments_payment_change", args=[payment.id])


def command(payment, name):
    return reverse("admin:payments_payment_command", args=[payment.id, name])


def buttons(client, payment):
    return [button["title"] for button in client.get(page(payment)).context["actions_detail"]]


def queue(client, key):
    url = reverse("admin:payments_payment_changelist")
    return [row.pk for row in client.get(url, {"queue": key}).context["cl"].result_list]


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        ("opening", ["Abandon payment", "Call gateway"]),
        ("pending", ["Abandon payment", "Call gateway"]),
        ("succeeded", ["Refund payment"]),
        ("failed", ["Retry payment", "Abandon payment", "Call gateway"]),
        ("refunded", []),
    ],
)
def test_the_buttons_are_the_commands_that_are_allowed_now(operator, status, offered):
    assert buttons(operator(), PaymentFactory(status=status)) == offered


def test_an_operator_refunds_an_amount(operator):
    client, payment = operator(username="olga"), PaymentFactory()
    refund(payment, "12.50")
    sent = {"amount": "37.51", "reason": "operator", "method": "original_payment"}
    refused = client.post(command(payment, "refund"), sent)
    assert "37.50 USD left to refund" in refused.content.decode()
    assert client.post(command(payment, "refund"), sent | {"amount": "37.50"}).status_code == 302
    given = selectors.get(payment.id).refunds[-1]
    assert (given.amount, given.requested_by, given.status) == (37.5, "olga", "pending")


def test_an_operator_picks_the_lines_of_a_refund(operator):
    client, payment = operator(), PaymentFactory()
    [line] = payment.order.lines
    form = client.get(command(payment, "refund")).context["form"]
    field = form.fields["items[0].order_item_id"]
    assert [value for value, _ in field.widget.choices] == ["", line.id]
    sent = {"reason": "operator", "method": "original_payment"}
    nothing = client.post(command(payment, "refund"), sent)
    assert "Say what to refund" in nothing.content.decode()
    sent |= {"items[0].order_item_id": line.id, "items[0].quantity": "1"}
    assert client.post(command(payment, "refund"), sent).status_code == 302
    [part] = selectors.get(payment.id).refunds[-1].parts
    assert (part.kind, part.order_item_id, part.quantity, part.amount) == ("item", line.id, 1, 25)


def test_a_refund_requested_in_the_admin_enqueues_the_gateway_call(operator, enqueued):
    client, payment = operator(), PaymentFactory()
    sent = {"amount": "1", "reason": "operator", "method": "original_payment"}
    enqueued.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.db.transaction.on_commit", lambda work, **kwargs: work())
        client.post(command(payment, "refund"), sent)
    assert ("payments.tasks.call_gateway", (payment.id, "org_1")) in enqueued


def test_an_operator_records_a_refund_as_store_credit(operator):
    client, payment = operator(), PaymentFactory()
    credit = {"amount": "10", "reason": "other", "method": "store_credit"}
    client.post(command(payment, "refund"), credit)
    assert queue(client, "by-hand") == [payment.id]
    assert "Record refund" in buttons(client, payment)
    form = client.get(command(payment, "record-refund"))
    pending = selectors.get(payment.id).refunds[0]
    assert f"10.00 USD ({pending.id})" in form.content.decode()
    client.post(command(payment, "record-refund"), {"refund_id": pending.id})
    assert queue(client, "by-hand") == []
    assert event_data(payment.order, "refund.succeeded")["method"] == "store_credit"


def test_an_operator_captures_a_transfer(operator):
    client, payment = operator(), start_payment(OrderFactory(), method="manual")
    assert buttons(client, payment) == ["Capture payment", "Abandon payment"]
    client.post(command(payment, "capture"), {})
    assert "payment.succeeded" in event_names(payment.order)


def test_an_operator_starts_a_manual_payment_and_captures_it(operator, run_reactions):
    client, order = operator(username="olga"), OrderFactory()
    add = reverse("admin:payments_payment_add")
    assert "in cash or by bank transfer" in client.get(add).content.decode()
    sent = client.post(add, {"order_id": order.id, "key": "once"}, follow=True)
    [payment] = selectors.of_order(order.id)
    assert sent.redirect_chain[-1][0] == page(payment)
    assert f"Payment {payment.id} was added." in sent.content.decode()
    client.post(add, {"order_id": order.id, "key": "once"})
    gateway.call_gateway(payment_id=payment.id)
    client.post(command(payment, "capture"), {})
    run_reactions()
    order.refresh_from_db()
    assert order.status == "confirmed"
    opened = EventRecord.objects.get(stream=order.id, name="payment.opened")
    assert opened.actor == "olga"


@pytest.mark.parametrize(
    ("status", "refusal"),
    [(None, "There is no order order_no."), ("confirmed", "Nothing is due for")],
)
def test_the_form_shows_why_an_order_cannot_be_paid(operator, status, refusal):
    order_id = OrderFactory(status=status).id if status else "order_no"
    add = reverse("admin:payments_payment_add")
    refused = operator().post(add, {"order_id": order_id, "key": "k"})
    assert refusal in refused.content.decode()


def test_the_view_permission_does_not_allow_adding_a_payment(operator):
    client = operator("payments.view_payment")
    assert client.get(reverse("admin:payments_payment_add")).status_code == 403


def test_the_queues_list_payments_that_need_attention(operator):
    client = operator()
    PaymentFactory(), PaymentFactory(status="pending")
    opening = PaymentFactory(status="opening")
    slow = start_payment(OrderFactory(), token="tok_slow")
    other = start_payment(OrderFactory(), token="tok_wrong_amount")
    assert queue(client, "open") == [slow.id, opening.id]
    assert queue(client, "mismatched") == [other.id]
    refund(other, "50.01")
    assert queue(client, "mismatched") == []


def test_an_operator_applies_a_mismatched_amount(operator, run_reactions):
    client, order = operator(), OrderFactory()
    payment = start_payment(order, token="tok_wrong_amount")
    run_reactions()
    assert buttons(client, payment) == ["Apply payment", "Refund payment"]
    client.post(command(payment, "apply"))
    run_reactions()
    order.refresh_from_db()
    assert (order.status, order.held_at) == ("confirmed", None)
    assert queue(client, "mismatched") == []


def test_the_page_links_to_the_order_and_shows_its_timeline(operator):
    payment = PaymentFactory(status="failed")
    shown = operator().get(page(payment))
    text = shown.content.decode()
    assert reverse("admin:orders_order_change", args=[payment.order_id]) in text
    assert "Your card was declined" in text
    assert "Payment declined" in [entry.title for entry in shown.context["timeline"]]


def test_an_operator_calls_the_gateway_now(operator):
    payment = start_payment(OrderFactory(), token="tok_slow")
    assert operator().post(command(payment, "call-gateway")).status_code == 302
    gateway.call_gateway(payment_id=payment.id)
    assert selectors.get(payment.id).status == "succeeded"


def test_the_search_finds_the_payments_of_an_order_by_its_id(operator):
    payment = PaymentFactory()
    PaymentFactory()
    found = operator().get(reverse("admin:payments_payment_changelist"), {"q": payment.order_id})
    assert [row.pk for row in found.context["cl"].result_list] == [payment.id]


def test_the_form_validates_the_stripe_account(operator):
    client, url = operator(), reverse("admin:payments_paymentaccount_add")
    account = {"organization_id": "org_1", "stripe_account": "1", "manual_payment_days": ""}
    assert "acct_1AbC" in client.post(url, account).content.decode()
    assert client.post(url, account | {"stripe_account": "acct_1"}).status_code == 302
    assert PaymentAccount.objects.get().stripe_account == "acct_1"


def test_the_queue_lists_unmatched_webhooks(operator):
    webhook = GatewayWebhook.objects.create(
        source="stripe", event_id="evt_1", subject="pay_1", payload="{}"
    )
    url = reverse("admin:payments_gatewaywebhook_changelist")
    listed = operator().get(url, {"queue": "unmatched"})
    assert list(listed.context["cl"].result_list) == [webhook]


def test_the_refund_of_a_cancelled_manual_payment_is_in_the_queue(operator, run_reactions):
    client, order = operator(), OrderFactory()
    payment = start_payment(order, method="manual")
    client.post(command(payment, "capture"), {})
    run_reactions()
    cancel(order)
    run_reactions()
    assert queue(client, "by-hand") == [payment.id]


def test_an_operator_pays_out_what_another_system_has_captured(operator, api, run_reactions):
    order = OrderFactory()
    body = {"order_id": order.id, "amount": "50.00", "provider": "gift_card", "reference": "GC-1"}
    api.post("/api/v1/payments/external", body)
    run_reactions()
    cancel(order)
    run_reactions()
    payment = Payment.objects.get()
    client = operator()
    assert queue(client, "by-hand") == [payment.id]
    assert "Record refund" in buttons(client, payment)
    (given,) = payment.refunds
    sent = client.post(command(payment, "record-refund"), {"refund_id": given.id})
    assert sent.status_code == 302
    assert queue(client, "by-hand") == []
    assert event_data(order, "payment.refunded")["refund_amount"] == "50.00"
