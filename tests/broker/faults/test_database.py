"""Tests with a database that is lost, busy, or late."""

import threading
import time
from datetime import timedelta
from statistics import median

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from events.delivery.publisher import Publisher
from events.models import EventRecord, Outbox, Publication
from tests.broker.conftest import publish, wait_until
from tests.broker.faults.conftest import seconds_until
from tests.broker.faults.deployment import drain, grown
from tests.events.sample_events import added, at_once, created, fill, happen

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.fault(10, "database connection ended in the middle of a batch")
def test_connection_ended(prove, monkeypatch):
    fill(streams=3, each=2)
    send = Publisher.send

    def lose(self, events, outcomes, *limit):
        send(self, events, outcomes, *limit)
        monkeypatch.setattr(Publisher, "send", send)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(Publisher, "send", lose)
    with pytest.raises(OperationalError):
        publish()
    connection.close()
    assert Outbox.objects.exists()
    drain()
    prove(duplicates=6)


@pytest.mark.long
@pytest.mark.fault(10, "database connections ended, then it crashes, under load")
def test_crash(cluster, deployment, prove):
    with deployment.load():
        with deployment.fault():
            assert cluster.terminate() > 0
            connection.close()
        wait_until(grown(Publication.objects.all(), 200), "it does not resume")
        with deployment.fault():
            cluster.stop()
            connection.close()
            time.sleep(40)  # long enough for the back-off of the pool to grow
            cluster.start()
        recovery = seconds_until(grown(Publication.objects.all(), 50), "it does not resume")
    prove(duplicates=deployment.at_risk, recovery=recovery)


@pytest.mark.fault(13, "a transaction that commits late")
def test_late_commit(prove):
    recorded, go_on = threading.Event(), threading.Event()

    def slow():
        with transaction.atomic():
            happen("cart_slow", created())
            recorded.set()
            go_on.wait(timeout=20)

    worker = threading.Thread(target=at_once, args=(slow,))
    worker.start()
    assert recorded.wait(timeout=20)
    happen("cart_quick", created())
    publish()
    assert [row.event.stream for row in Publication.objects.all()] == ["cart_quick"]
    go_on.set()
    worker.join()
    happen("cart_slow", added())
    publish()
    prove()


def latency(since: int) -> float:
    """Return the median of the seconds from recording to confirm, of the events after `since`."""
    rows = Publication.objects.filter(position__gt=since)
    waits = rows.values_list(F("published_at") - F("event__recorded_at"), flat=True)
    return median(wait.total_seconds() for wait in waits)


@pytest.mark.long
@pytest.mark.fault(14, "a transaction is open for two minutes")
def test_idle_transaction(cluster, deployment, prove):
    url = cluster.url.replace("postgres://", "postgresql://")
    with deployment.load(producers=1), psycopg.connect(url) as foreign:
        wait_until(grown(Publication.objects.all(), 500), "nothing is published")
        before = latency(since=0)
        foreign.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        foreign.execute("SELECT count(*) FROM events_outbox")
        time.sleep(120)  # long enough for dead rows to accumulate
        last = Publication.objects.latest("position").position - 500
        assert latency(since=last) < max(2 * before, 0.1)
    prove()


@pytest.mark.long
@pytest.mark.fault(15, "workers an hour early and an hour late")
def test_wrong_clocks(node, deployment, prove):
    for shift in (timedelta(hours=1), timedelta(hours=-1)):
        deployment.worker(
            "-c",
            "import time_machine, sys;"
            "from datetime import UTC, datetime, timedelta;"
            f"shift = timedelta(seconds={shift.total_seconds()});"
            "time_machine.travel(datetime.now(UTC) + shift, tick=True).start();"
            "from celery.__main__ import main;"
            "sys.argv[0] = 'celery'; sys.argv[1:1] = ['-A', 'config'];"
            "sys.exit(main())",
        )
    deployment.beat()
    deployment.produce()
    wait_until(grown(Publication.objects.all(), 200), "nothing is published")
    with deployment.fault():
        node.stop()
    wait_until(grown(EventRecord.objects.all(), 50), "events are still recorded")
    node.start()
    recovery = seconds_until(grown(Publication.objects.all(), 50), "it does not resume")
    deployment.settle()
    assert not Publication.objects.filter(published_at__gt=Now()).exists()
    prove(duplicates=deployment.at_risk, recovery=recovery)
