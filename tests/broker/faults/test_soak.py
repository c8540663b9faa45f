"""Random faults, one after the other, for a given time."""

import os
import random
import secrets
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.db import connection

from events.models import Publication
from tests.broker.faults.cluster import Cluster
from tests.broker.faults.conftest import own_channel, seconds_until
from tests.broker.faults.deployment import Deployment, grown
from tests.broker.faults.node import Node

pytestmark = pytest.mark.django_db(transaction=True)


class Breaker:
    """The faults and their repairs.

    A fault that can last takes `seconds`.
    """

    def __init__(self, node: Node, cluster: Cluster, deployment: Deployment) -> None:
        self.node, self.cluster, self.deployment = node, cluster, deployment

    def kill_a_workers_child(self, seconds: float) -> None:
        os.kill(self.deployment.children(self.deployment.workers[0])[0], signal.SIGKILL)

    def kill_a_worker(self, seconds: float) -> None:
        os.killpg(self.deployment.workers.pop(0).pid, signal.SIGKILL)
        time.sleep(seconds)  # the fault lasts
        self.deployment.worker()

    def end_a_worker(self, seconds: float) -> None:
        self.deployment.workers.pop(0).terminate()
        self.deployment.worker()

    def restart_the_broker(self, seconds: float) -> None:
        self.node.stop()
        time.sleep(seconds)  # the fault lasts
        self.node.start()

    def freeze_the_broker(self, seconds: float) -> None:
        self.node.send(signal.SIGSTOP)
        time.sleep(seconds)  # the fault lasts
        self.node.send(signal.SIGCONT)

    def starve_the_broker(self, seconds: float) -> None:
        self.node.control("set_vm_memory_high_watermark", "absolute", "1")
        time.sleep(seconds)  # the fault lasts
        self.node.control("set_vm_memory_high_watermark", "0.4")

    def end_database_connections(self, seconds: float) -> None:
        self.cluster.terminate()
        connection.close()

    def crash_the_database(self, seconds: float) -> None:
        self.cluster.stop()
        connection.close()
        time.sleep(seconds)  # the fault lasts
        self.cluster.start()

    def delete_a_queue(self, seconds: float) -> None:
        with own_channel() as channel:
            queue = f"{settings.EVENTS_QUEUE_PREFIX}inventory_order_consumer"
            channel.queue_delete(queue)


def faults(breaker: object, seed: int) -> Iterator[tuple[Callable[[float], None], float, float]]:
    """Yield faults without an end, each with its seconds and the seconds of the pause after it."""
    dice = random.Random(seed)
    names = sorted(name for name in vars(type(breaker)) if not name.startswith("_"))
    while True:
        yield getattr(breaker, dice.choice(names)), dice.uniform(1, 15), dice.uniform(2, 6)


@pytest.mark.long
@pytest.mark.fault(21, "at random, one after the other")
def test_soak(request, node, cluster, deployment, prove, capsys):
    minutes = request.config.getoption("--soak")
    if not minutes:
        pytest.skip("--soak says for how many minutes")
    seed = request.config.getoption("--seed")
    seed = secrets.randbits(32) if seed is None else seed
    slowest, ends = 0.0, time.monotonic() + minutes * 60
    with capsys.disabled(), deployment.load():
        write = request.config.get_terminal_writer().line
        write(f"\n--soak={minutes:g} --seed={seed}")
        for fault, seconds, pause in faults(Breaker(node, cluster, deployment), seed):
            if time.monotonic() > ends:
                break
            write(f"{fault.__name__} {seconds:.1f}")
            with deployment.fault():
                fault(seconds)
            again = grown(Publication.objects.all(), 20)
            slowest = max(slowest, seconds_until(again, "it does not resume"))
            time.sleep(pause)  # so that work is in progress at the next fault
    prove(duplicates=deployment.at_risk, recovery=slowest)


def test_a_seed_repeats_its_faults():
    class Nothing:
        def one(self, seconds): ...

        def other(self, seconds): ...

    def first(seed):
        made = faults(Nothing(), seed)
        return [(fault.__name__, *times) for fault, *times in (next(made) for _ in range(20))]

    assert first(7) == first(7) != first(8)
