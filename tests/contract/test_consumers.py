"""The queues that the service declares: the specification's, those it names, and your own."""

import json
import re
from pathlib import Path

import yaml
from django.conf import settings

from config.devserver.management.commands.run import CONSUMER_QUEUES
from events.delivery import broker
from events.schema import registry
from tests.consumers.inventory import EXTENSIONS

SPECIFIED = {
    "inventory_order_consumer": ["order.confirmed", "order.cancelled", "order.shipped"],
    "notification_order_consumer": [
        "order.created",
        "order.confirmed",
        "order.shipped",
        "order.delivered",
        "return.approved",
    ],
    "analytics_order_consumer": [
        "order.created",
        "order.confirmed",
        "cart.abandoned",
        "cart.converted",
    ],
}
NAMED = {
    "inventory_order_consumer": ["order.placed", "return.received"],
    "notification_order_consumer": ["return.requested"],
    "marketing_order_consumer": ["cart.abandoned"],
    "customer_app_order_consumer": ["order.shipped"],
    "warehouse_order_consumer": ["return.requested"],
    "customer_service_order_consumer": ["return.requested"],
}


def bindings(settings):
    settings.EVENTS_QUEUE_PREFIX = ""
    return broker.bindings()


def test_the_configuration_of_consumers_is_the_specification_s():
    exchange = settings.EVENTS_EXCHANGE
    assert {exchange: {"exchange": exchange, "queues": SPECIFIED}} == settings.CONSUMER_CONFIG


def test_by_default_the_consumers_that_events_name_are_added(settings):
    bound = {
        queue: [*SPECIFIED.get(queue, []), *NAMED.get(queue, [])] for queue in SPECIFIED | NAMED
    }
    assert bindings(settings) == bound


def test_without_them_the_queues_are_those_of_the_configuration(settings):
    settings.EVENTS_NAMED_CONSUMERS = {}
    assert bindings(settings) == SPECIFIED


def test_an_installation_adds_queues_and_events_to_queues(settings):
    settings.EVENTS_NAMED_CONSUMERS = {}
    settings.EVENTS_CONSUMER_QUEUES = {
        "analytics_order_consumer": ["order.created", "order.held"],
        "billing_order_consumer": ["invoice.created"],
    }
    assert bindings(settings) == SPECIFIED | {
        "analytics_order_consumer": [*SPECIFIED["analytics_order_consumer"], "order.held"],
        "billing_order_consumer": ["invoice.created"],
    }


def test_make_run_and_compose_name_the_same_extension_events():
    service = yaml.safe_load((Path(settings.BASE_DIR) / "compose.yaml").read_text())["x-service"]
    value = service["environment"]["EVENTS_CONSUMER_QUEUES"]
    (default,) = re.fullmatch(r"\$\{EVENTS_CONSUMER_QUEUES:-(.+)\}", value).groups()
    assert json.loads(default) == CONSUMER_QUEUES
    (names,) = CONSUMER_QUEUES.values()
    assert not any(registry[name].published for name in names)
    assert set(EXTENSIONS) <= set(names), "Inventory needs them"


def test_the_page_about_consumers_names_every_event():
    page = (Path(settings.BASE_DIR) / "docs" / "consumers.md").read_text()
    assert [name for name in registry if f"`{name}`" not in page] == []
