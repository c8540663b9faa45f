"""Tests with processes that are killed, stopped, concurrent, or forked."""

import os
import re
import signal
from contextlib import suppress
from itertools import combinations
from pathlib import Path

import pytest

from events.delivery import notify, relay
from events.delivery.publisher import Publisher
from events.models import EventRecord, Outbox, Publication
from tests.broker.conftest import wait_until
from tests.broker.faults.conftest import seconds_until
from tests.broker.faults.deployment import drain, grown, silent_for
from tests.events.sample_events import added, at_once, fill, happen
from tests.factories import CartFactory
from tests.parallel import killed

pytestmark = pytest.mark.django_db(transaction=True)
BATCH = 500
POINTS = {  # the call at which the relay is killed, and the duplicates that this may cause
    "after the select": (relay, "_send_batch", 1, 0),
    "before the first message": (Publisher, "_send_one", 1, 0),
    "between two messages": (Publisher, "_send_one", 777, 777 - BATCH),
    "after the first acks": (relay, "_record", 1, BATCH),
    "after later acks": (relay, "_record", 2, BATCH),
}
# Seconds. A child of a Celery worker waits up to 30 s for its parent before it ends.
GRACE_PERIOD = 45


@pytest.mark.fault(1, "relay killed at each of its steps")
def test_relay_killed(prove, settings, monkeypatch):
    settings.EVENTS_SHARDS = 1
    monkeypatch.setattr(relay, "BATCH_SIZE", BATCH)
    for owner, name, turn, _ in POINTS.values():
        for n in range(20):
            happen(f"cart_{n}", *[added()] * 50)
        killed(lambda: relay.publish_pending(0), owner, name, turn=turn)
    drain()
    prove(duplicates=sum(again for *_, again in POINTS.values()))


@pytest.mark.long
@pytest.mark.fault(1, "workers killed under load, children and parents")
def test_workers_killed(deployment, prove):
    recovery = 0.0
    with deployment.load():
        for _ in range(4):
            with deployment.fault():
                os.kill(deployment.children(deployment.workers[0])[0], signal.SIGKILL)
            wait_until(grown(EventRecord.objects.all(), 50), "nothing happens")
            with deployment.fault():
                os.killpg(deployment.workers.pop().pid, signal.SIGKILL)
            again = grown(Publication.objects.all(), 50)
            deployment.worker()
            recovery = max(recovery, seconds_until(again, "it does not resume"))
    prove(duplicates=deployment.at_risk, recovery=recovery)


@pytest.mark.long
@pytest.mark.fault(1, "worker frozen in the middle of a batch")
def test_worker_frozen(deployment, prove):
    """Freeze the process, which then keeps its locks in the database, like a lost host."""
    for n in range(4):
        happen(f"cart_{n}", *[added()] * 3000)
    frozen = deployment.worker()
    deployment.beat()
    wait_until(Publication.objects.exists, "nothing is published")

    def holds_its_shard():
        os.killpg(frozen.pid, signal.SIGSTOP)
        if silent_for():
            return True
        os.killpg(frozen.pid, signal.SIGCONT)
        return False

    wait_until(holds_its_shard, "it is never in the middle of a batch")
    deployment.worker()
    wait_until(lambda: not Outbox.objects.exists(), "it keeps the shard", patience=90)
    os.killpg(frozen.pid, signal.SIGCONT)
    happen("cart_0", added())
    deployment.settle()
    prove(duplicates=2 * relay.BATCH_SIZE)  # each of its two children was in a batch


@pytest.mark.long
@pytest.mark.fault(2, "web killed between commit and notification")
def test_web_killed_before_the_notification(deployment, prove):
    deployment.worker()
    deployment.beat()
    CartFactory()
    wait_until(lambda: not Outbox.objects.exists(), "nothing is published")
    killed(CartFactory, notify, "_put")
    assert Outbox.objects.exists(), "nothing was published"
    recovery = seconds_until(lambda: not Outbox.objects.exists(), "the sweep finds nothing")
    prove(recovery=recovery)


@pytest.mark.fault(12, "twenty workers on one shard")
def test_twenty_workers(prove, settings):
    settings.EVENTS_SHARDS = 1
    fill(streams=20, each=30)

    def work():
        relay.publish_pending(0)
        relay._discard_publisher()

    at_once(*[work] * 20)
    assert not Outbox.objects.exists()
    prove()


def connections(pid: int, port: int) -> set[str]:
    """Return the sockets of a process that are connected to the port."""
    inodes = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[2].partition(":")[2], 16) == port and fields[3] == "01":
            inodes.add(fields[9])
    links = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()]
    return {inode for inode in inodes if f"socket:[{inode}]" in links}


@pytest.mark.long
@pytest.mark.fault(19, "prefork workers share no socket")
def test_prefork(node, deployment, prove):
    worker = deployment.worker(concurrency=4)
    deployment.produce()

    held: list[set[str]] = []

    def all_publish():
        with suppress(FileNotFoundError):  # of a process, or a socket, that has just ended
            held[:] = [connections(pid, node.port) for pid in deployment.children(worker)]
            return len(held) == 4 and all(held)
        return False

    wait_until(all_publish, "not every process has a connection")
    held.append(connections(worker.pid, node.port))
    assert not any(one & other for one, other in combinations(held, 2))
    deployment.beat()
    deployment.settle()
    prove()


@pytest.mark.fault(20, "worker terminated")
def test_worker_terminated(deployment, prove):
    for n in range(4):
        happen(f"cart_{n}", *[added()] * 3000)
    worker = deployment.worker()
    deployment.beat()
    wait_until(Publication.objects.exists, "nothing is published")
    worker.terminate()
    assert Outbox.objects.exists(), "it had no work left"
    assert worker.wait(GRACE_PERIOD) == 0
    drain()
    prove()


def test_every_fault_of_the_list_is_here():
    here = Path(__file__).parent
    found = re.findall(r"mark\.fault\((\d+),", "".join(p.read_text() for p in here.glob("*.py")))
    assert {int(number) for number in found} >= set(range(1, 21))
