"""Many lives at once, against real processes and with faults; then the findings of the judges."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from random import Random
from typing import Any, NamedTuple

import kombu
from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.test import override_settings

from events.delivery import broker
from events.models import Publication, Reaction
from invoices.models import Document, InvoiceDelivery
from orders.models import Policy
from payments.models import Payment, Refund
from payments.selectors import OUTCOME_OPEN
from shipments.models import Label, Shipment
from tests.broker.conftest import Consumer, Message, wait_until
from tests.broker.faults.deployment import Deployment, grown, pending
from tests.broker.faults.proxy import Proxy
from tests.conftest import free_port
from tests.consumers.inventory import EXTENSIONS
from tests.consumers.truth import true_levels
from tests.flows.lives.client import Client, Traffic
from tests.flows.lives.evidence import Event, Evidence, read_api
from tests.flows.lives.faults import Breaker
from tests.flows.lives.judges import causality, liveness, money, sequence, stock, units
from tests.flows.lives.life import Life
from tests.flows.lives.state import POLICIES

JUDGES = [sequence, causality, money, units, stock, liveness]
ORGANIZATIONS = ("org_1", "org_2", "org_3")
LIVES_AT_ONCE = 4
WORKERS = 2
PATIENCE = 120  # seconds until work counts as stuck


class Found(NamedTuple):
    """What a judge has found, in which life, and about which stream if it is about one."""

    judge: str
    life: str
    text: str
    stream: str = ""


class Run:
    """Lives with the given numbers; `findings` is what the judges find."""

    def __init__(self, numbers: Iterable[int], *, seed: int) -> None:
        self.seed = seed
        self.deployment = Deployment(
            WEB_CONCURRENCY="2",
            EMAIL_URL="memorymail://",
            EVENTS_CONSUMER_QUEUES=json.dumps({"inventory_order_consumer": EXTENSIONS}),
        )
        self.address = f"localhost:{free_port()}"
        self.traffic, self.faults = Traffic(), Counter[str]()
        self.clients = [Client(self.address, each, self.traffic) for each in ORGANIZATIONS]
        self.lives = [
            Life(n, seed=seed, client=self._client(n // 2), other=self._client(n // 2 + 1))
            for n in numbers
        ]
        self.findings: list[Found] = []
        self.failed_reactions: dict[str, str] = {}  # the errors by stream
        self.events: dict[str, list[Event]] = {}
        self.seconds = 0.0

    def live(self) -> Evidence:
        """Live all lives with faults, wait until nothing is pending, and return the evidence."""
        started = time.monotonic()
        for organization_id, rule in POLICIES.items():
            Policy.objects.update_or_create(pk=organization_id, defaults={"reservation": rule})
        with everything_queue() as queue, self._processes() as wire:
            with ThreadPoolExecutor(LIVES_AT_ONCE) as pool:
                futures = {life.name: pool.submit(life.live) for life in self.lives}
                self._break_until(lambda: all(each.done() for each in futures.values()), wire)
            self._note_errors(futures)
            self._settle()
            rows, timelines = read_api(self.clients)
            messages = read(queue)
        self.seconds = time.monotonic() - started
        return Evidence(messages, rows, timelines, set(self.failed_reactions), true_levels())

    def judge(self, evidence: Evidence) -> None:
        """Collect what the judges find, with the life that it belongs to."""
        lives = {stream: life.name for life in self.lives for stream in life.streams}
        for life, text in self.traffic.failures:
            self.findings.append(Found("responses_are_correct", life, text))
        for stream, text in self.failed_reactions.items():
            self.findings.append(Found("no_reaction_fails", lives.get(stream, ""), text, stream))
        for module in JUDGES:
            for judge in module.JUDGES:
                for stream, text in judge(evidence):
                    life = lives.get(stream, "")
                    self.findings.append(Found(judge.__name__, life, f"{stream}: {text}", stream))
        self.events = evidence.events

    def _client(self, number: int) -> Client:
        return self.clients[number % len(self.clients)]

    @contextmanager
    def _processes(self) -> Iterator[Proxy]:
        """Run web, workers and beat, whose connections to the broker can be cut."""
        wire = Proxy(settings.EVENTS_BROKER_URL)
        with override_settings(EVENTS_BROKER_URL=wire.url):
            self.deployment.web(self.address)
            for _ in range(WORKERS):
                self.deployment.worker()
            self.deployment.beat()
            wait_until(self._is_up, "the web does not respond")
            try:
                yield wire
            finally:
                self.deployment.stop()
                wire.close()

    def _is_up(self) -> bool:
        with suppress(OSError), closing(HTTPConnection(self.address)) as connection:
            connection.request("GET", "/health/live")
            return connection.getresponse().status == 200
        return False

    def _break_until(self, condition: Callable[[], bool], wire: Proxy) -> None:
        """Inject faults; before each, messages are published again."""
        dice = Random(self.seed)
        breaker = Breaker(self.deployment, wire, dice)
        self.faults = breaker.injected
        while True:
            published = grown(Publication.objects.all(), 10)
            self._watch_until(lambda published=published: published() or condition())
            self._watch_until(condition, patience=dice.uniform(2, 5))
            if condition():
                return
            breaker.inject()

    def _watch_until(self, condition: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Wait for other threads and processes, and note which reactions fail meanwhile."""
        deadline = time.monotonic() + patience
        while not condition() and time.monotonic() < deadline:
            for row in Reaction.objects.filter(attempts__gt=0).select_related("event"):
                self.failed_reactions[row.stream] = f"{row} of {row.stream}: {row.last_error}"
            time.sleep(0.2)  # the lives are in other threads, the workers in other processes

    def _note_errors(self, futures: dict[str, "Future[None]"]) -> None:
        for name, future in futures.items():
            if error := future.exception():
                self.findings.append(Found("lives_end", name, repr(error)))

    def _settle(self) -> None:
        """Wait until no work is pending, and end workers and timers, so that it stays so."""
        self._watch_until(lambda: not open_work(), patience=20)
        expire_leases()
        self._watch_until(lambda: not open_work())
        for process in [*self.deployment.workers, self.deployment.scheduler]:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for row in open_work():
            self.findings.append(Found("nothing_stays_pending", "", repr(row)))

    def figures(self) -> str:
        """Return what the run consisted of, and how often each event was received."""
        statuses, sent = Counter[str](), self.traffic.outcomes
        for (_, outcome), count in sent.items():
            statuses[f"{outcome[0]}xx"] += count
        names = Counter(event.name for events in self.events.values() for event in events)
        return (
            f"{len(self.lives)} lives in {self.seconds:.0f} s, {sent.total()} commands "
            f"{dict(sorted(statuses.items()))}, faults {dict(self.faults)}, {names.total()} events "
            f"{dict(sorted(names.items()))}"
        )

    def report(self) -> str:
        """Return the findings, the events of their streams, and how to repeat the run."""
        streams = dict.fromkeys(found.stream for found in self.findings if found.stream)
        options = f"--seed {self.seed} --lives {len(self.lives)}"
        return "\n".join(
            [
                self.figures(),
                *(f"{found.judge}: {found.life}: {found.text}" for found in self.findings),
                *(f"{stream}: {self._story(stream)}" for stream in list(streams)[:5]),
                f'To repeat it: make faults ARGS="-k lives {options}", or one life with `--life 7`',
            ]
        )

    def _story(self, stream: str) -> str:
        return ", ".join(f"{event.sequence} {event.name}" for event in self.events.get(stream, []))


def prove(numbers: Iterable[int], *, seed: int) -> Run:
    """Live the lives of the seed, and judge them."""
    run = Run(numbers, seed=seed)
    run.judge(run.live())
    return run


def open_work() -> list[Any]:
    """Return messages and reactions that are pending, and calls to gateways, carriers and mail.

    As they are at one moment: a call that ends between two queries would be seen neither as open
    nor by what it leads to.
    """
    automatic = Refund.objects.filter(status="pending", method="original_payment")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return [
            *pending(),
            *Payment.objects.filter(OUTCOME_OPEN)[:10],
            *automatic.exclude(payment__method__in=("manual", "external"))[:10],
            *Label.objects.filter(status__in=Label.PENDING, shipment__order__held_at=None)[:10],
            *InvoiceDelivery.objects.filter(status="queued")[:10],
            *Document.objects.filter(rendered_at=None)[:10],
        ]


def expire_leases() -> None:
    """Let the leases of killed workers expire, which would take up to five minutes."""
    for model in (Payment, Shipment, Label, Document, InvoiceDelivery):
        leased = QuerySet(model).filter(leased_until__isnull=False)
        leased.update(due_at=Now(), leased_until=None)


@contextmanager
def everything_queue() -> Iterator[str]:
    """A durable queue that receives every message."""
    name = f"{settings.EVENTS_QUEUE_PREFIX}lives"
    with broker.connect() as connection:
        kombu.Queue(name, broker.exchange(), routing_key="#")(connection.channel()).declare()
    yield name
    with broker.connect() as connection:
        connection.channel().queue_delete(name)


def read(queue: str) -> list[Message]:
    consumer = Consumer(None, queue)
    messages = consumer.read()
    consumer.close()
    return messages
