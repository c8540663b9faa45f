"""The metrics that a process exports."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone

from events.models import EventRecord, Outbox, Reaction
from events.operations import metrics
from tests.factories import OrderFactory
from tests.promql import PROMETHEUS

pytestmark = pytest.mark.django_db


def scrape(client):
    response = client.get("/metrics", headers=PROMETHEUS)
    assert response.status_code == 200
    assert response["Content-Type"] == metrics.CONTENT_TYPE
    lines = response.content.decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_pending_and_parked_work_and_its_age(client):
    stuck, order = OrderFactory(), OrderFactory()
    now = timezone.now()
    parked, held = EventRecord.objects.filter(stream=stuck.id).order_by("number")
    Outbox.objects.filter(event=parked).update(parked_at=now)
    oldest = EventRecord.objects.filter(stream=order.id).earliest("number")
    for event, hours in ((parked, 9), (held, 9), (oldest, 1)):
        EventRecord.objects.filter(pk=event.pk).update(recorded_at=now - timedelta(hours=hours))
    Reaction.objects.create(event=oldest, reaction="r", stream=order.id, context="payments")
    # What one context has parked holds nothing of another's.
    for event, context, at in ((oldest, "orders", now), (parked, "orders", None)):
        Reaction.objects.create(
            event=event, reaction=context, stream=order.id, context=context, parked_at=at
        )
    found = scrape(client)
    assert found['order_service_owed{kind="message"}'] == "4.0"
    assert found['order_service_parked{kind="message"}'] == "1.0"
    assert found['order_service_owed{kind="reaction"}'] == "3.0"
    assert found['order_service_parked{kind="reaction"}'] == "1.0"
    for kind in ("message", "reaction"):
        age = float(found[f'order_service_oldest_owed_seconds{{kind="{kind}"}}'])
        assert 3600 <= age < 3700


def test_without_pending_work_the_age_is_zero(client):
    found = scrape(client)
    assert found['order_service_owed{kind="message"}'] == "0.0"
    assert found['order_service_oldest_owed_seconds{kind="message"}'] == "0.0"


def test_without_the_database_it_responds_with_503(client, monkeypatch):
    def refuse(*args, **kwargs):
        raise OperationalError("no route to host")

    monkeypatch.setattr(connection, "cursor", refuse)
    for url in ("/metrics", "/health/ready"):
        response = client.get(url, headers=PROMETHEUS)
        assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")


def test_the_processes_of_a_host_are_added_up(tmp_path):
    """One process counts and ends, another one exports."""
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    run = [sys.executable, "-c"]
    start = "import django; django.setup(); from events.operations import metrics; "
    env["DJANGO_SETTINGS_MODULE"] = "config.settings"
    for _ in range(2):
        count = (
            "metrics.published.labels('confirmed').inc(3); metrics.blocked.labels('relay').set(1)"
        )
        count += "; import os; metrics.forget(os.getpid())"
        subprocess.run([*run, start + count], env=env, cwd=settings.BASE_DIR, check=True)
    show = "import prometheus_client as p; print(p.generate_latest(metrics._processes()).decode())"
    shown = subprocess.run(
        [*run, start + show],
        env=env,
        cwd=settings.BASE_DIR,
        check=True,
        capture_output=True,
    )
    assert 'order_service_events_published_total{result="confirmed"} 6.0' in shown.stdout.decode()
    assert 'order_service_broker_blocked{connection="relay"} 1' not in shown.stdout.decode()
