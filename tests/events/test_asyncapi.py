import re

import pytest

from events.schema import registry
from tests.contract.test_samples import SAMPLES

URL = "/api/v1/events/asyncapi.json"


def test_it_needs_no_token(client):
    response = client.get(URL, headers={"Authorization": "Bearer forged"})
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    assert response.json()["asyncapi"] == "3.0.0"
    assert client.post(URL).json()["code"] == "method_not_allowed"


def test_it_lists_the_published_events_only(client):
    response = client.get(URL)
    document = response.json()
    parts = (document["channels"], document["components"]["messages"])
    assert [set(part) for part in parts] == [set(SAMPLES)] * 2
    internal = [name for name, cls in registry.items() if not cls.published]
    assert internal
    assert [name for name in internal if name in response.content.decode()] == []


def test_an_event_that_only_a_queue_asks_for_is_listed_as_an_extension(client, settings):
    settings.EVENTS_QUEUE_PREFIX = ""
    settings.EVENTS_CONSUMER_QUEUES = {
        "inventory_order_consumer": ["order.units_written_off"],
        "support": ["order.units_written_off", "order.confirmed"],
    }
    document = client.get(URL).json()
    messages = document["components"]["messages"]
    assert set(messages) == {*SAMPLES, "order.units_written_off"}
    extension = messages["order.units_written_off"]
    assert extension["tags"] == [{"name": "order"}, {"name": "extension"}]
    assert "An extension event" in extension["description"]
    assert extension["x-consumers"] == ["inventory_order_consumer", "support"]
    assert document["channels"]["order.units_written_off"]["address"] == (
        "order.order.units_written_off"
    )
    confirmed = messages["order.confirmed"]
    assert confirmed["tags"] == [{"name": "order"}]
    assert "support" in confirmed["x-consumers"]


def test_a_message_has_its_routing_and_its_queues(client, settings):
    settings.EVENTS_QUEUE_PREFIX = "eu."
    settings.EVENTS_EXCHANGE = "order_events"
    document = client.get(URL).json()
    channel = document["channels"]["order.shipped"]
    assert channel["address"] == "order.order.shipped"
    assert channel["bindings"]["amqp"]["exchange"] == {
        "name": "order_events",
        "type": "topic",
        "durable": True,
        "autoDelete": False,
    }
    assert document["operations"]["send order.shipped"]["bindings"]["amqp"]["cc"] == [
        "order.shipped"
    ]
    message = document["components"]["messages"]["order.shipped"]
    assert message["x-consumers"] == [
        "eu.inventory_order_consumer",
        "eu.notification_order_consumer",
        "eu.customer_app_order_consumer",
    ]
    assert document["components"]["messages"]["invoice.sent"]["x-consumers"] == []


def test_a_message_has_the_version_of_its_event(client, monkeypatch):
    monkeypatch.setattr(registry["invoice.sent"], "version", "2.1")
    message = client.get(URL).json()["components"]["messages"]["invoice.sent"]
    assert message["headers"]["properties"]["x-version"] == {"const": "2.1"}
    assert message["payload"]["properties"]["version"] == {"const": "2.1"}


@pytest.mark.parametrize(
    ("event", "field", "kind"),
    [
        ("PaymentSucceeded", "amount", "number"),
        ("FulfillmentPacked", "total_weight", "number"),
        ("PaymentSucceeded", "paid_at", "date-time"),
    ],
)
def test_schemas_have_the_types_of_the_json_values(client, event, field, kind):
    schema = client.get(URL).json()["components"]["schemas"][event]["properties"][field]
    assert kind in (schema["type"], schema.get("format"))


def test_money_in_the_examples_keeps_its_decimals(client):
    assert re.search(r'"refund_amount": 50\.00\b', client.get(URL).content.decode())
