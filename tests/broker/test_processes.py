"""A worker process, and the tasks that it gets."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import transaction

from events.models import Outbox, Publication
from shipments.services.lifecycle import deliver_shipment
from tests.broker.conftest import CELERY, in_order, process, wait_until
from tests.events.sample_events import added, created, happen
from tests.shipments.factories import ShipmentFactory, dispatch

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def worker(*options: str) -> Iterator[subprocess.Popen[bytes]]:
    with process(*CELERY, "worker", "-c2", "--loglevel=WARNING", *options) as running:
        yield running


def published(count: int) -> Callable[[], bool]:
    return lambda: Publication.objects.count() >= count


@pytest.mark.usefixtures("awake")
def test_a_commit_is_published_by_a_worker(consumer):
    with worker() as running:
        for n in range(40):
            with transaction.atomic():
                happen(f"cart_{n}", created(), added())
        wait_until(published(80), "not published")
        running.terminate()
        running.wait()
    assert in_order(consumer.places()) == {f"cart_{n}": 2 for n in range(40)}
    assert len(consumer.messages) == 80


@pytest.mark.usefixtures("media")
def test_effects_follow_their_causes_although_no_worker_ran(consumer):
    shipment = ShipmentFactory(status="label_created")
    dispatch(shipment)
    deliver_shipment(shipment_id=shipment.id, recipient="Juan Pérez")
    with worker(), process(*CELERY, "beat", "--loglevel=WARNING"):
        wait_until(lambda: not Outbox.objects.exists(), "messages are still pending")
    expected = ["shipment.dispatched", "order.shipped", "shipment.delivered", "order.delivered"]
    names = [message.properties.type for message in consumer.read()]
    assert [name for name in names if name in expected] == expected
