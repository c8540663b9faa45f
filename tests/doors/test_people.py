"""What is held about a person is exported whole, and erased everywhere but in invoices."""

import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from carts.models import Cart
from config.api.models import IdempotencyRecord
from config.core.models import LinkRevocation
from events import schema
from events.models import AuditEntry, EventRecord, Outbox
from events.operations import people
from events.operations.reconcile import reconcile
from invoices.models import Invoice
from invoices.tasks import anonymize_old_invoices
from orders.models import Order
from orders.services import lifecycle
from orders.tasks import erase_old_orders
from returns import services as returns
from shipments.models import Shipment
from tests.doors.people import ADDRESS, ELSEWHERE, EMAIL, IN_INVOICES, Shopper, rows_with
from tests.factories import CartFactory, OrderFactory

pytestmark = pytest.mark.django_db
ERASED = "customer.erased"


@pytest.fixture
def zoe(api, media, mailbox):
    shopper = Shopper(api, customer_id="cust_zoe")
    shopper.receive_parcel()
    shopper.send_back()
    shopper.get_invoice()
    return shopper


def run(command, organization="org_1", **identity):
    output = StringIO()
    call_command(command, organization=organization, stdout=output, **identity)
    return output.getvalue()


def erased_streams():
    return set(EventRecord.objects.filter(name=ERASED).values_list("stream", flat=True))


def test_an_erasure_leaves_a_person_in_invoices_only(zoe, media):
    assert list(media.glob("labels/*.pdf"))
    for text in (*IN_INVOICES, *ELSEWHERE):
        assert rows_with(text), f"the test needs a row with {text}"
    assert run("erase_customer", customer="cust_zoe") == "1 orders and 1 carts are erased.\n"
    for text in IN_INVOICES:
        assert rows_with(text) == {"invoices_invoice": 1}, text
    assert rows_with("Zanzibar") == {"invoices_invoice": 1}
    assert not list(media.glob("labels/*.pdf"))
    assert erased_streams() == {zoe.order_id, zoe.cart.id}


@pytest.mark.django_db(transaction=True)
def test_erased_events_keep_their_place_and_their_structure(zoe):
    before = {event.id: event for event in EventRecord.objects.all()}
    amounts = Order.objects.values("total", "subtotal", "tax", "number").get(pk=zoe.order_id)
    run("erase_customer", customer="cust_zoe")
    changed = {}
    for event in EventRecord.objects.exclude(name=ERASED):
        old = before[event.id]
        assert (event.number, event.sequence) == (old.number, old.sequence)
        schema.parse(event.name, event.body)  # a replay sends it
        data, was = json.loads(event.body)["data"], json.loads(old.body)["data"]
        assert list(data) == list(was)
        changed |= {f"{event.name} {key}": data[key] for key in data if data[key] != was[key]}
    assert changed == {
        "order.delivered delivery_photo_url": None,
        "order.delivered signature": None,
        "order.held note": "",
        "shipment.delivered recipient": None,
        "shipment.in_transit current_location": None,
        "shipment.in_transit status_description": None,
        "shipment.label_created label_url": None,
        "return.requested reason": "",
        "return.approved return_shipping_label_url": None,
        "return.cancelled note": "",
        "invoice.queued recipient_email": None,
        "invoice.sent recipient_email": None,
    }
    assert Order.objects.values(*amounts).get(pk=zoe.order_id) == amounts
    assert not reconcile().wrong


def test_an_erasure_is_published_where_a_queue_names_it(zoe, settings):
    settings.EVENTS_CONSUMER_QUEUES = {"crm": [ERASED]}
    Outbox.objects.all().delete()
    run("erase_customer", customer="cust_zoe")
    sent = {row.event.stream: json.loads(row.event.body) for row in Outbox.objects.all()}
    assert sent.keys() == {zoe.order_id, zoe.cart.id}
    assert sent[zoe.order_id]["data"]["order_id"] == zoe.order_id
    assert sent[zoe.cart.id]["data"]["cart_id"] == zoe.cart.id


def test_a_repeated_erasure_changes_nothing_and_erases_what_is_new(zoe):
    run("erase_customer", customer="cust_zoe")
    count = EventRecord.objects.count()
    run("erase_customer", customer="cust_zoe")
    assert EventRecord.objects.count() == count
    zoe.send_back()
    run("erase_customer", customer="cust_zoe")
    assert rows_with("Zanzibar") == {"invoices_invoice": 1}
    assert EventRecord.objects.filter(name=ERASED, stream=zoe.order_id).count() == 2


def test_an_erasure_that_was_killed_is_continued(api, monkeypatch):
    """A guest is found by the e-mail address, which the erasure removes."""
    shoppers = [Shopper(api, session_id=f"sess_{n}") for n in range(2)]
    for shopper in shoppers:
        lifecycle.cancel_order(order_id=shopper.order_id, reason="other", note="Zanzibar note")
    erase, begun = people.erase_stream, []

    def killed(stream, *, at):
        if stream == shoppers[1].order_id:
            raise KeyboardInterrupt
        begun.append(stream)
        erase(stream, at=at)

    with monkeypatch.context() as patch:
        patch.setattr(people, "erase_stream", killed)
        with pytest.raises(KeyboardInterrupt):
            run("erase_customer", email=EMAIL.upper())
    assert len(begun) == 3
    run("erase_customer", email=EMAIL.upper())
    assert rows_with("Zanzibar") == {}
    assert erased_streams() == {*(s.order_id for s in shoppers), *(s.cart.id for s in shoppers)}
    with pytest.raises(CommandError, match="no order and no cart"):
        run("erase_customer", email=EMAIL)


@pytest.mark.parametrize("status", ["pending", "placed", "processing"])
def test_an_order_that_is_under_way_is_refused_by_name(status):
    done = OrderFactory(status="cancelled", customer_id="cust_zoe", customer_email=EMAIL)
    order = OrderFactory(status=status, customer_id="cust_zoe")
    with pytest.raises(CommandError, match=f"{order.id} is {status}"):
        run("erase_customer", customer="cust_zoe")
    assert Order.objects.get(pk=done.pk).customer_email == EMAIL
    assert not erased_streams()


def test_a_return_that_is_requested_meanwhile_is_refused(zoe, monkeypatch):
    erase = people.erase_stream

    def late(stream, *, at):
        if stream == zoe.order_id:
            line = {"order_item_id": zoe.order.lines[0].id, "quantity": 1, "reason": None}
            returns.request_return(order_id=stream, reason="Zanzibar return", items=[line])
        erase(stream, at=at)

    monkeypatch.setattr(people, "erase_stream", late)
    with pytest.raises(CommandError, match=r"ret_\w+ is requested"):
        run("erase_customer", customer="cust_zoe")
    assert zoe.order.customer_email == EMAIL


def test_a_parcel_that_is_under_way_is_refused_by_name(api, media, mailbox):
    shopper = Shopper(api, customer_id="cust_zoe")
    shopper.receive_parcel()  # its invoice is not mailed yet
    with pytest.raises(CommandError, match=r"invoice delivery del_\w+ is pending"):
        run("erase_customer", customer="cust_zoe")
    assert Shipment.objects.get().recipient


def test_an_export_has_everything_and_nothing_of_others(zoe, api, media, mailbox):
    others = [
        OrderFactory(customer_id="cust_ana", customer_email=EMAIL),
        OrderFactory(organization_id="org_2", customer_id="cust_zoe"),
        CartFactory(customer_id=None, session_id="cust_zoe"),
    ]
    text = run("export_customer", customer="cust_zoe")
    for held in (*IN_INVOICES, *ELSEWHERE, zoe.order_id, zoe.cart.id):
        assert held in text, held
    for other in others:
        assert other.pk not in text
    exported = json.loads(text)
    assert "client_secret" not in exported["tables"]["payments.Payment"][0]
    assert exported["tables"]["orders.Order"][0]["shipping_address"] == ADDRESS
    assert Decimal(exported["tables"]["orders.Order"][0]["total"]) == Decimal("49.00")
    assert zoe.order_id in run("export_customer", organization="org_1", customer="cust_zoe")
    assert zoe.order_id not in run("export_customer", organization="org_2", customer="cust_zoe")


def test_a_guest_is_a_session_or_an_email_and_no_customer():
    guest = OrderFactory(customer_id=None, session_id="sess_1", customer_email=EMAIL)
    merged = CartFactory(customer_id=None, session_id="sess_1")
    Cart.objects.get(pk=merged.pk)
    customer = OrderFactory(customer_id="cust_zoe", session_id="sess_1", customer_email=EMAIL)
    for identity in ({"session": "sess_1"}, {"email": EMAIL}):
        text = run("export_customer", **identity)
        assert guest.id in text
        assert customer.id not in text
    assert merged.id in run("export_customer", session="sess_1")
    with pytest.raises(CommandError, match="Give --customer, --session or --email"):
        run("export_customer")


def test_the_reason_that_the_service_gives_is_no_personal_data():
    body = (
        '{"event":"return.received","version":"1.0","timestamp":"2025-11-25T09:30:00Z",'
        '"organization_id":"org_1","data":{"return_id":"ret_1","order_id":"order_1",'
        '"rma_number":"RMA-2025-0001","received_at":"2025-11-25T09:30:00Z","warehouse_id":"wh_1",'
        '"returned_items":[{"variant_id":"var_1","quantity":1,"condition":"good",'
        '"return_reason":"%s"}]}}'
    )
    assert schema.erase("return.received", body % "returned_to_sender") == (
        body % "returned_to_sender"
    )
    assert '"return_reason":null' in schema.erase("return.received", body % "too small for Zoë")


def test_a_customer_is_exported_and_erased_over_rest(zoe, caller):
    """Each with a scope of its own, for the organization of the token, and as often as wanted."""
    url = "/api/v1/customers/cust_zoe"
    assert caller("customers:erase orders:write").get(f"{url}/export").status_code == 403
    exported = caller("customers:export").get(f"{url}/export").json()
    assert exported["tables"]["orders.Order"][0]["id"] == zoe.order_id
    for scope in ("orders:write customers:write customers:export", "*"):
        client = caller(scope, "org_1" if scope != "*" else "org_2")
        assert client.post(f"{url}/erase").status_code == (404 if scope == "*" else 403)
    assert rows_with("Zanzibar signature")
    for _ in range(2):
        erased = caller("customers:erase", subject="crm").post(f"{url}/erase")
        assert (erased.status_code, erased.json()["orders"]) == (200, 1)
    assert rows_with("Zanzibar") == {"invoices_invoice": 1}
    erasure = EventRecord.objects.get(name=ERASED, stream=zoe.order_id)
    assert erasure.actor == "crm"
    assert list(AuditEntry.objects.values_list("action", flat=True).order_by("at")) == [
        "export_customer",
        "erase_customer",
        "erase_customer",
    ]


def test_a_request_that_is_interrupted_has_erased_what_it_came_to(zoe, api, media, monkeypatch):
    """Each order is a transaction of its own: a file that is deleted does not come back."""
    last = OrderFactory(status="cancelled", customer_id="cust_zoe")
    erase = people.erase_stream

    def fail(stream, *, at):
        if stream == last.id:
            raise OSError("The storage does not respond.")
        erase(stream, at=at)

    monkeypatch.setattr(people, "erase_stream", fail)
    assert api.post("/api/v1/customers/cust_zoe/erase").status_code == 500
    assert erased_streams() == {zoe.order_id, zoe.cart.id}
    assert not list(media.glob("labels/*.pdf"))
    assert rows_with("Zanzibar") == {"invoices_invoice": 1}


def test_what_is_under_way_is_refused_over_rest(caller):
    order = OrderFactory(status="placed", customer_id="cust_zoe")
    refused = caller().post("/api/v1/customers/cust_zoe/erase")
    assert (refused.status_code, refused.json()["code"]) == (409, "erasure_blocked")
    assert f"{order.id} is placed" in refused.json()["detail"]


def test_an_operator_with_the_permissions_exports_and_erases(zoe, operator):
    page = f"/admin/orders/order/{zoe.order_id}"
    change = ("orders.change_order", "carts.change_cart")
    without = operator(*change, username="otto")
    assert without.get(f"{page}/do/export/").status_code == 403
    assert without.post(f"{page}/do/erase/").status_code == 403
    assert b"Erase customer" not in without.get(f"{page}/change/").content
    olga = operator(*change, "events.export_customer", "events.erase_customer")
    for shown in (page, f"/admin/carts/cart/{zoe.cart.id}"):
        assert b"Erase customer" in olga.get(f"{shown}/change/").content
        file = olga.get(f"{shown}/do/export/")
        assert "attachment" in file["Content-Disposition"]
        assert zoe.order_id in json.loads(file.content)["tables"]["orders.Order"][0]["id"]
    form = olga.get(f"{page}/do/erase/")
    assert b"cannot be undone" in form.content
    assert rows_with("Zanzibar signature"), "the form asks first"
    assert olga.post(f"{page}/do/erase/").status_code == 302
    assert rows_with("Zanzibar") == {"invoices_invoice": 1}
    assert EventRecord.objects.get(name=ERASED, stream=zoe.order_id).actor == "olga"


def test_the_links_to_the_invoice_that_the_events_keep_open_nothing(zoe, client):
    sent = EventRecord.objects.filter(name="invoice.sent", stream=zoe.order_id).latest("number")
    url = urlsplit(json.loads(sent.body)["data"]["pdf_url"]).path
    assert client.get(url).status_code == 200
    run("erase_customer", customer="cust_zoe")
    assert client.get(url).status_code == 410


def test_an_old_invoice_loses_its_buyer_and_its_pdf(zoe, api, media):
    run("erase_customer", customer="cust_zoe")
    LinkRevocation.objects.all().delete()  # the new link has the same second
    invoice = Invoice.objects.get()
    url = urlsplit(api.get(f"/api/v1/invoices/{invoice.id}").json()["pdf_url"]).path
    year = invoice.issued_at.year
    assert anonymize_old_invoices(f"{year + 10}-12-31T23:59:59Z") == 0
    assert list(media.glob("invoices/*.pdf"))
    assert anonymize_old_invoices(f"{year + 11}-01-01T00:00:00Z") == 1
    assert rows_with("Zanzibar") == {}
    assert not list(media.glob("invoices/*.pdf"))
    assert Invoice.objects.values("number", "total", "lines").get() == {
        "number": invoice.number,
        "total": invoice.total,
        "lines": invoice.lines,
    }
    for gone in (f"/api/v1/invoices/{invoice.id}/pdf", url):
        assert api.get(gone).json()["code"] == "document_deleted"
    again = api.post(f"/api/v1/invoices/{invoice.id}/send", {"recipient_email": EMAIL})
    assert (again.status_code, again.json()["code"]) == (404, "document_deleted")
    assert anonymize_old_invoices(f"{year + 11}-01-01T00:00:00Z") == 0


def test_the_data_of_an_old_order_is_erased_by_a_timer(zoe, settings):
    Shopper(zoe.api, customer_id="cust_zoe")  # its order is under way
    later = {"now": (timezone.now() + timedelta(days=31)).isoformat()}
    assert erase_old_orders(**later) == 0, "by default it is kept"
    settings.PERSONAL_DATA_KEEP_DAYS = 30
    assert erase_old_orders() == 0
    assert erase_old_orders(**later) == 1
    assert erase_old_orders(**later) == 0
    assert erased_streams() == {zoe.order_id}
    assert rows_with("Zanzibar signature") == {}


def test_each_stored_response_is_found_by_its_order_or_cart(zoe):
    streams = IdempotencyRecord.objects.exclude(body="").values_list("stream", flat=True)
    assert set(streams) == {zoe.order_id}
    cart = zoe.api.post(
        "/api/v1/carts",
        {"customer_id": "cust_zoe", "currency": "USD"},
        headers={"Idempotency-Key": "key"},
    )
    assert IdempotencyRecord.objects.get(path="/api/v1/carts").stream == cart.json()["id"]


def test_a_guest_is_found_by_an_international_address():
    order = OrderFactory(status="cancelled", customer_id=None, customer_email="José@bücher.example")
    assert order.id in run("export_customer", email="JOSÉ@BÜCHER.EXAMPLE")
    assert (
        run("erase_customer", email="josé@bücher.example") == "1 orders and 0 carts are erased.\n"
    )
