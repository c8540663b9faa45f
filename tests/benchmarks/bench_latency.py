"""How long after its commit an event is confirmed, when there is nothing else to do."""

import time

import pytest

from events.models import Publication
from tests.benchmarks.measure import Line, percentile, table
from tests.broker.conftest import wait_until
from tests.broker.test_processes import published, worker
from tests.events.facts import created, happen

pytestmark = pytest.mark.django_db(transaction=True)
COUNT, WARM_UP = 300, 20
PAUSE = 0.05  # seconds between two commits: idle, and looking for answers would be work


def test_commit_to_confirm(broker, awake, monkeypatch):
    """With a worker process and its beat, as deployed; one machine, so one clock."""
    monkeypatch.setenv("DEBUG", "false")  # the worker's
    monkeypatch.setenv("PUBLIC_URL", "https://orders.example.com")
    committed = {}
    with worker("--beat") as running:
        for n in range(WARM_UP + COUNT):
            happen(f"cart_{n}", created(f"cart_{n}"))
            committed[f"cart_{n}"] = time.time()
            if n < WARM_UP:
                wait_until(published(n + 1), "not published")
            time.sleep(PAUSE)
        wait_until(published(len(committed)), "not published")
        running.terminate()
        running.wait()
    confirmed = Publication.objects.order_by("position")[WARM_UP:]
    moments = confirmed.values_list("event__stream", "published_at")
    took = [(at.timestamp() - committed[stream]) * 1000 for stream, at in moments]
    for percent, target in ((50, 10), (99, 100)):
        value = percentile(took, percent)
        what = f"commit to confirm, idle, with a worker process, p{percent}, in ms"
        table.append(Line(what, f"{value:.1f}", f"≤ {target}", value <= target))
