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
    """What the page says about an event, without its markup."""
    (found,) = re.findall(rf'<article id="{re.escape(name)}">(.*?)</article>', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


def test_anybody_may_read_it_whatever_token_they_hold(client):
    answer = client.get(URL, headers={"Authorization": "Bearer forged"})
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize("accept", ["text/html", "text/html,application/xhtml+xml", "*/*"])
def test_whoever_asks_for_a_page_gets_it(client, accept):
    assert client.get(URL, headers={"Accept": accept}).status_code == 200
    assert client.options(URL, headers={"Accept": accept}).status_code == 405


def test_every_published_event_has_an_entry_that_the_index_leads_to(page):
    assert set(re.findall(r'<article id="(.+?)">', page)) == set(SAMPLES)
    assert {name for name in SAMPLES if f'<li><a href="#{name}">' in page} == set(SAMPLES)
    anchors = set(re.findall(r'href="#(.+?)"', page))
    assert anchors <= set(re.findall(r'id="(.+?)"', page))


def test_internal_facts_are_not_in_it(page):
    internal = [name for name, cls in registry.items() if not cls.published]
    assert internal
    assert [name for name in internal if name in page] == []


def test_an_entry_says_when_where_and_to_whom(page):
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
def test_an_entry_tells_each_field_and_shows_the_sample(page, event, row):
    assert row in article(page, event)


class Item(Payload):
    quantity: Quantity
    serials: list[str]


class Package(Payload):
    items: list[Item]


class Sent(Event):
    """A payload as none is today."""

    name, version = "parcel.sent", "1.0"
    label: Item
    packages: list[Package] | None
    sizes: list[list[int]]


def test_an_entry_follows_lists_and_objects_to_their_ends(client, monkeypatch):
    monkeypatch.setattr(catalog, "published", lambda: [Sent])
    monkeypatch.setattr(catalog, "sample", lambda cls: "{}")
    said = article(client.get(URL).content.decode(), "parcel.sent")
    for row in [
        "label object label.quantity whole number label.serials list of text",
        "packages list or null packages[].items list packages[].items[].quantity whole number",
        "packages[].items[].serials list of text sizes list of list of whole number",
    ]:
        assert row in said


def test_it_asks_nothing_of_the_database(client, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        client.get(URL)
