"""The speed of two workers on a backlog of messages, and of reactions, compared with one."""

from collections.abc import Callable
from contextlib import ExitStack
from time import perf_counter

import pytest
from celery import current_app
from django.conf import settings
from django.db.models import Model

from events.models import Outbox, Reaction
from tests.benchmarks.bench_relay import make_pending, record
from tests.benchmarks.conftest import empty
from tests.benchmarks.measure import Line, paired, spread, table
from tests.broker.conftest import wait_until
from tests.broker.test_processes import worker
from tests.factories import OrderFactory, start_payment

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("broker", "media", "deployed"),
]
MESSAGES, ORDERS = 10_000, 50


def compare(what: str, pending: type[Model], prepare: Callable[[], list]) -> None:
    """Run workers of one process each; `prepare` returns the tasks to enqueue."""

    def run(workers: int) -> float:
        with ExitStack() as running:
            processes = [
                running.enter_context(worker("--concurrency=1", f"--hostname=worker-{n}"))
                for n in range(workers)
            ]
            wait_until(lambda: len(current_app.control.ping()) == workers, "no worker responds")
            enqueued = prepare()
            began = perf_counter()
            for name, args in enqueued:
                current_app.send_task(name, args)
            wait_until(lambda: not pending.objects.exists(), "messages are still pending")
            took = perf_counter() - began
            for each in processes:
                each.terminate()
                each.wait()
            return took

    ratios = [one / two for two, one in paired(lambda: run(2), lambda: run(1))]
    table.append(Line(f"{what}: speed of two workers to one's", spread(ratios)))


def test_messages():
    messages = record(MESSAGES, streams=8000)

    def prepare() -> list:
        empty("events_outbox", "events_publication")
        make_pending(messages)
        return [("events.tasks.relay_shard", (shard,)) for shard in range(settings.EVENTS_SHARDS)]

    compare("a backlog of messages", Outbox, prepare)


def test_reactions():
    def prepare() -> list:
        for _ in range(ORDERS):
            start_payment(OrderFactory(), token="tok_ok")  # many reactions follow
        streams = Reaction.objects.values_list("stream", flat=True).distinct()
        return [("events.tasks.react", (stream,)) for stream in streams]

    compare("what follows from a payment", Reaction, prepare)
