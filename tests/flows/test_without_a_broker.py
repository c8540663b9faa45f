"""A request does not connect to the broker."""

import socket
import threading

import pytest
from celery import Celery
from django.conf import settings

from events.delivery import notify
from events.models import Outbox
from tests.broker.conftest import wait_until
from tests.factories import ADDRESS, CartFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("awake")]


def test_only_the_notify_thread_connects_to_the_broker(api, monkeypatch, unused_tcp_port):
    connected, connect = [], socket.socket.connect

    def watched(self, address):
        if isinstance(address, tuple) and address[1] == unused_tcp_port:
            connected.append(threading.current_thread().name)
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", watched)
    monkeypatch.setenv("CELERY_BROKER_URL", f"amqp://127.0.0.1:{unused_tcp_port}//")
    away = Celery(set_as_current=False)
    away.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    monkeypatch.setattr(notify, "current_app", away)
    cart = CartFactory()
    response = api.post(
        f"/api/v1/carts/{cart.id}/checkout",
        {"shipping_address": ADDRESS},
        headers={"Idempotency-Key": "key"},
    )
    assert response.status_code == 201
    wait_until(lambda: connected, "no thread has connected to the broker")
    assert set(connected) == {"notify"}
    pending = Outbox.objects.filter(stream__in=[cart.id, response.json()["id"]])
    assert pending.count() == 5
