"""The management commands, with a real broker."""

import json
import select
import signal
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.management import call_command

from tests.broker.conftest import Consumer, environment, publish, wait_until
from tests.events.sample_events import added, happen

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("options", [(), ("--full",)])
def test_tail_prints_events_and_stops_immediately(broker, options):
    running = subprocess.Popen(
        [sys.executable, "-u", "manage.py", "tail_events", *options],
        env=environment(),
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
    )

    def has_printed():
        happen("cart_1", added(3))
        publish()
        return select.select([running.stdout], [], [], 0.05)[0]

    with running:
        try:
            wait_until(has_printed, "nothing is printed")
            running.send_signal(signal.SIGINT)
            printed, _ = running.communicate(timeout=20)
        finally:
            running.kill()
    assert running.returncode == 0
    assert "cart.item_added" in printed
    assert "unit_price=125.50" in printed
    if options:
        envelope, _ = json.JSONDecoder().raw_decode(printed, printed.index("{"))
        assert envelope["data"]["quantity"] == 3


def test_the_topology_can_be_declared_repeatedly(broker, capsys):
    for _ in range(2):
        call_command("declare_topology", skip_checks=True)
    assert f"{settings.EVENTS_QUEUE_PREFIX}inventory_order_consumer" in capsys.readouterr().out
    name = f"{settings.EVENTS_QUEUE_PREFIX}marketing_order_consumer"
    for queue in (name, f"{name}.dead"):
        Consumer(None, queue).close()
