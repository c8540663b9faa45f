"""What a message on the broker can make the service do, and what it proves."""

import os
import signal
from datetime import timedelta

import kombu
import pytest
from celery import current_app
from django.conf import settings
from django.utils import timezone

from events.delivery import relay
from events.models import Outbox
from orders.models import Order
from orders.tasks import expire_unpaid_orders
from tests.broker.conftest import publish, wait_until
from tests.broker.test_processes import worker
from tests.events.sample_events import created, happen
from tests.factories import OrderFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.usefixtures("broker")
def test_a_message_can_neither_stop_a_worker_nor_set_the_time():
    order = OrderFactory()
    later = (timezone.now() + timedelta(days=365)).isoformat()
    with worker() as running, kombu.Connection(settings.CELERY_BROKER_URL) as connection:
        current_app.control.broadcast("shutdown", connection=connection)
        current_app.send_task("orders.tasks.expire_unpaid_orders", kwargs={"now": later})
        # In the same queue, so it runs later.
        current_app.send_task("orders.tasks.expire_pending_orders")
        happen("cart_1", created())
        current_app.send_task("events.tasks.relay")
        wait_until(lambda: not Outbox.objects.exists(), "the worker does not work")
        assert running.poll() is None
        os.kill(running.pid, signal.SIGTERM)  # it finishes what it has received
        running.wait()
    assert Order.objects.get(pk=order.pk).status == "placed"
    assert expire_unpaid_orders(now=later) == 1


def test_rabbitmq_vouches_for_the_publisher(broker, consumer, settings):
    """It refuses the name of another user; then no message is lost or parked."""
    happen("cart_1", created())
    settings.EVENTS_BROKER_USER_ID = "another_user"
    for _ in range(relay.MAX_REFUSALS + 1):
        publish(retries=True)
    pending = Outbox.objects.get()
    assert pending.parked_at is None
    settings.EVENTS_BROKER_USER_ID = "guest"
    relay._discard_publisher()
    publish(retries=True)
    (message,) = consumer.read()
    assert message.properties.user_id == "guest"
