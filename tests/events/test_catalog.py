import re

import pytest

from events.contract import catalog
from events.schema import Event, Payload, Quantity, registry
from tests.contract.test_samples import SAMPLES

URL = "/api/v1/events/catalog/"


@pytest.fixture
def page(client):
    return client.get(URL).content.decode()


def article(page, name):
    """Return the text of an event's entry, without markup."""
    (found,) = re.findall(rf'<article id="{re.escape(name)}">(.*?)</article>', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


def test_it_needs_no_token(client):
    response = client.get(URL, headers={"Authorization": "Bearer forged"})
    assert (response.status_code, response["Content-Type"]) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize("accept", ["text/html", "text/html,application/xhtml+xml", "*/*"])
def test_the_catalog_is_html_for_every_accept_header(client, accept):
    assert client.get(URL, headers={"Accept": accept}).status_code == 200
    assert client.options(URL, headers={"Accept": accept}).status_code == 405


def test_every_published_event_has_an_entry_and_a_link_to_it(page):
    assert set(re.findall(r'<article id="(.+?)">', page)) == set(SAMPLES)
    assert {name for name in SAMPLES if f'<li><a href="#{name}">' in page} == set(SAMPLES)
    anchors = set(re.findall(r'href="#(.+?)"', page))
    assert anchors <= set(re.findall(r'id="(.+?)"', page))


def test_internal_events_are_not_in_it(page):
    internal = [name for name, cls in registry.items() if not cls.published]
    assert internal
    assert [name for name in internal if name in page] == []


def test_an_event_that_a_queue_asks_for_is_marked_as_an_extension(client, settings):
    settings.EVENTS_CONSUMER_QUEUES = {"support": ["order.held"]}
    page = client.get(URL).content.decode()
    said = article(page, "order.held")
    assert "The order was put on hold" in said
    assert "An extension event: it is published because" in said
    assert "support" in said
    assert '"reason" : "fraud"' in said
    assert "An extension event" not in article(page, "order.confirmed")


def test_an_entry_describes_the_event_its_routing_and_its_queues(page):
    said = article(page, "order.cancelled")
    assert "The order was cancelled" in said
    assert "Stream the order’s Routing keys order.order.cancelled order.cancelled" in said
    assert "inventory_order_consumer" in said
    assert "Queues none yet" in article(page, "invoice.sent")
    assert "Stream the cart’s" in article(page, "cart.abandoned")


@pytest.mark.parametrize(
    ("event", "row"),
    [
        ("order.created", "customer_id id or null Null for a guest."),
        ("order.created", "total_amount money With exactly"),
        ("order.shipped", "estimated_delivery date or null"),
        ("order.shipped", "shipped_items list The units of this shipment only."),
        ("order.shipped", "shipped_items[].quantity whole number"),
        ("order.cancelled", "refund_required true or false True if captured money"),
        ("return.refunded", "refund_method one of manual, original_payment, store_credit"),
        ("order.created", "status always pending"),
        ("order.cancelled", "cancellation_reason one of customer_request, fraud, operator"),
        ("payment.succeeded", '"amount" : 125.50'),
    ],
)
def test_an_entry_lists_the_fields_and_shows_the_sample(page, event, row):
    assert row in article(page, event)


class Item(Payload):
    quantity: Quantity
    serials: list[str]


class Package(Payload):
    items: list[Item]


class Sent(Event):
    """A payload with nested lists and objects."""

    name, version, published = "parcel.sent", "1.0", True
    label: Item
    packages: list[Package] | None
    sizes: list[list[int]]


def test_an_entry_lists_nested_fields(client, monkeypatch):
    monkeypatch.setattr(catalog, "published", lambda: [Sent])
    monkeypatch.setattr(catalog, "sample", lambda cls: "{}")
    said = article(client.get(URL).content.decode(), "parcel.sent")
    for row in [
        "label object label.quantity whole number label.serials list of text",
        "packages list or null packages[].items list packages[].items[].quantity whole number",
        "packages[].items[].serials list of text sizes list of list of whole number",
    ]:
        assert row in said


def test_it_uses_no_query(client, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        client.get(URL)
