"""Where the demo is played: the API over real HTTP and, beside it, what leaves the exchange."""

import json
import logging
import shutil
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

from celery import current_app
from django.core.management.base import OutputWrapper

from config.devserver.mail import Catcher
from events.delivery import broker
from events.operations import console
from events.operations.console import BOLD, paint, short
from events.schema import registry

logger = logging.getLogger(__name__)

API = "/api/v1"
DEADLINE = 15.0  # seconds, for an answer and for an event
WIDTH = 100  # where there is no terminal that says how wide it is


MAIL = ("", "the mail")


class Arrival(NamedTuple):
    """Something to print, and what is waited for that has come with it: stream and name."""

    text: str
    what: list[tuple[str, str]]


class Stopped(Exception):
    """The play cannot go on: an answer or an event is not what the script expects."""


class Stage:
    """Asks the API, waits for events, and prints both."""

    def __init__(self, out: OutputWrapper, *, url: str, token: str, colour: bool) -> None:
        self._out = out
        self._url = url
        self._token = token
        self._colour = colour
        self._scenes = 0
        self._arriving: SimpleQueue[Arrival] = SimpleQueue()
        self._arrived: Counter[tuple[str, str]] = Counter()  # and not yet waited for
        self._seen: set[tuple[str, str]] = set()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """From here on no event is missed."""
        bound, stop = threading.Event(), threading.Event()

        def listen() -> None:
            try:
                broker.tail(self._take_event, listening=bound, stop=stop)
            except broker.Unavailable as error:
                logger.error("Events are published, but no longer shown: %s", error)
            finally:
                bound.set()

        Catcher.show = lambda text: self._arriving.put(Arrival(text, [MAIL]))
        threading.Thread(target=listen, name="tail", daemon=True).start()
        bound.wait()
        try:
            yield
        finally:
            stop.set()

    def say(self, text: str = "", *, sgr: str = "") -> None:
        """Print a line, in a terminal's rendition where there is colour."""
        self._out.write(paint(text, sgr, self._colour) if sgr else text)
        self._out.flush()

    def scene(self, title: str) -> None:
        """Begin the next scene."""
        self._scenes += 1
        self.say()
        self.say(f"{self._scenes:>2}  {title}", sgr=BOLD)

    def post(self, path: str, body: Mapping[str, Any], *, key: str | None = None) -> dict[str, Any]:
        """Send a POST and return its answer. Raises Stopped unless it succeeds."""
        answer, status = self._send("POST", path, json.dumps(body).encode(), key)
        self.say(f"    POST {API}{short(path)}  {status}")
        return answer

    def wait_for(self, path: str, field: str) -> Any:
        """Ask for the only row of a list until its field holds something, and return that."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            answer, status = self._send("GET", path)
            if found := [row[field] for row in answer["results"] if row[field]]:
                self.say(f"    GET {API}{short(path)}  {status}")
                return found[0]
            time.sleep(0.2)  # nothing is published that one could listen for
        raise Stopped(f"GET {path} has had no {field} for {DEADLINE:.0f} s.")

    def _send(
        self, method: str, path: str, body: bytes | None = None, key: str | None = None
    ) -> tuple[dict[str, Any], str]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        request = Request(f"{self._url}{API}{path}", body, headers, method=method)
        try:
            with urlopen(request, timeout=DEADLINE) as response:
                status, answer = HTTPStatus(response.status), json.load(response)
                replayed = ", replayed" if response.headers["Idempotent-Replayed"] else ""
        except HTTPError as error:
            problem = error.read().decode(errors="replace")
            raise Stopped(
                f"{method} {path} answered {error.code}: {console.safe(problem)}"
            ) from error
        except OSError as error:
            raise Stopped(f"{method} {path} got no answer: {error}") from error
        return dict(answer), f"{status.value} {status.phrase}{replayed}"

    def pay(self, order: Mapping[str, Any], token: str) -> dict[str, Any]:
        """Pay an order in the sandbox, where the token says what happens."""
        body = {"order_id": order["id"], "payment_method": "sandbox", "gateway_token": token}
        return self.post("/payments", body, key=str(uuid4()))

    def run_timer(self, task: str, *, now: datetime, organization_id: str) -> None:
        """Have the worker do for an organization what beat would have it do at that time."""
        moment = now.isoformat(timespec="seconds")
        self.say(f"    timer {task}  now={moment}")
        current_app.send_task(task, kwargs={"now": moment, "organization_id": organization_id})

    def expect(self, stream: str, *names: str) -> None:
        """Print what arrives until these events of a stream have. Raises Stopped after a while."""
        self._expect(*((stream, name) for name in names))

    def expect_mail(self) -> None:
        """Print what arrives until a mail has. Raises Stopped after a while."""
        self._expect(MAIL)

    def _expect(self, *expected: tuple[str, str]) -> None:
        deadline = time.monotonic() + DEADLINE
        for what in expected:
            while not self._arrived[what]:
                try:
                    self.show_next(timeout=max(deadline - time.monotonic(), 0))
                except Empty:
                    raise Stopped(f"{what[1]} did not arrive within {DEADLINE:.0f} s.") from None
            self._arrived[what] -= 1

    def say_how_much_was_seen(self) -> None:
        """Print how many of the published events have arrived at least once."""
        published = {kind.name for kind in registry.values() if kind.published}
        seen = published & {name for _, name in self._seen}
        self.say()
        self.say(f"{len(seen)} of {len(published)} events seen", sgr=BOLD)
        for name in sorted(published - seen):
            self.say(f"    not seen: {name}")

    def show_next(self, timeout: float | None = None) -> None:
        """Print the next event or mail. Raises queue.Empty when there is none in time."""
        arrival = self._arriving.get(timeout=timeout)
        self._arrived.update(arrival.what)
        self._seen.update(arrival.what)
        self.say(textwrap.indent(arrival.text, " " * 6))

    def _take_event(self, body: bytes, headers: Mapping[str, Any]) -> None:
        width = (shutil.get_terminal_size().columns if self._out.isatty() else WIDTH) - 6
        text = console.line(body, headers, colour=self._colour, width=width)
        names = headers.get("CC", ())
        self._arriving.put(Arrival(text, [(headers["x-stream"], name) for name in names]))
