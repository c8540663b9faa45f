import pytest
from django.core.checks import run_checks
from django.db import connection


def ids():
    return [message.id for message in run_checks() if message.id.startswith("events.")]


def only_error():
    (error,) = [message for message in run_checks() if message.id.startswith("events.")]
    return error


def test_the_tests_configuration_passes():
    assert ids() == []


@pytest.mark.parametrize("name", ["CELERY_BROKER_URL", "EVENTS_BROKER_URL"])
def test_memory_broker_is_refused_with_postgresql(settings, name):
    setattr(settings, name, "memory://")
    settings.DEBUG = True
    assert ids() == ["events.E001"]


def test_memory_broker_is_allowed_with_sqlite(settings, monkeypatch):
    monkeypatch.setattr(connection, "vendor", "sqlite")
    settings.CELERY_BROKER_URL = settings.EVENTS_BROKER_URL = "memory://"
    assert ids() == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("order.conifrmed", "Did you mean order.confirmed? Correct it in CONSUMER_CONFIG"),
        ("order.held", "It is internal. To publish it, move it from CONSUMER_CONFIG to EVENTS_"),
        ("x", "Correct it in CONSUMER_CONFIG; docs/consumers.md lists all events."),
    ],
)
def test_a_queue_for_an_unpublished_event_is_refused(settings, name, hint):
    (config,) = settings.CONSUMER_CONFIG.values()
    queues = {"billing": ["order.confirmed", name]}
    settings.CONSUMER_CONFIG = {"x": config | {"queues": queues}}
    error = only_error()
    assert error.msg == f"Queue billing is bound to {name}, which is no published event."
    assert hint in error.hint


def test_an_unknown_event_in_the_queues_of_an_installation_is_refused(settings):
    settings.EVENTS_CONSUMER_QUEUES = {"support": ["order.held", "order.helt"]}
    error = only_error()
    assert error.msg == "Queue support is bound to order.helt, which is no published event."
    assert "Did you mean order.held? Correct it in EVENTS_CONSUMER_QUEUES" in error.hint


@pytest.mark.parametrize("name", ["order.held", "order.released"])
def test_an_installation_can_name_an_internal_event(settings, name):
    settings.EVENTS_CONSUMER_QUEUES = {"support": [name]}
    assert ids() == []


def test_a_queue_cannot_be_of_all_organizations_and_of_one(settings):
    shared = {"support": ["order.confirmed"]}
    settings.EVENTS_CONSUMER_QUEUES = shared
    settings.EVENTS_ORGANIZATION_QUEUES = {
        "support": {"organization_id": "org_1", "events": ["order.held"]}
    }
    error = only_error()
    assert error.id == "events.E004"
    assert "support gets events of all organizations, and of one only" in error.msg


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ("amqp://worker@broker/tasks", ["events.W001"]),
        ("amqp://worker@broker/events", []),
        ("amqp://worker@another/tasks", []),
    ],
)
def test_a_deployment_with_one_vhost_gets_a_warning(settings, events, expected):
    settings.CELERY_BROKER_URL = "amqp://service@broker/tasks"
    settings.EVENTS_BROKER_URL = events
    found = run_checks(tags=["events"], include_deployment_checks=True)
    assert [message.id for message in found] == expected


def test_a_configuration_for_another_exchange_is_refused(settings):
    settings.CONSUMER_CONFIG = {"x": {"exchange": "x", "queues": {}}}
    error = only_error()
    assert (error.id, error.msg) == ("events.E003", "CONSUMER_CONFIG names the exchange x.")
