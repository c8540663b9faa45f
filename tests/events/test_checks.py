import pytest
from django.core.checks import run_checks
from django.db import connection


def ids():
    return [message.id for message in run_checks() if message.id.startswith("events.")]


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


@pytest.mark.parametrize("name", ["order.conifrmed", "order.held"])
def test_a_queue_for_an_unpublished_event_is_refused(settings, name):
    queues = {"billing": ["order.confirmed", name]}
    settings.CONSUMER_CONFIG = {"x": {"exchange": "x", "queues": queues}}
    (error,) = [message for message in run_checks() if message.id == "events.E002"]
    assert error.msg == f"Queue billing is bound to {name}, which is no published event."
