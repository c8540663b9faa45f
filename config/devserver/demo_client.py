"""The demo's client: it calls the API over HTTP and prints requests, events and mails.

It also plays Inventory, which reserves the stock of every order that is placed.
"""

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
from django.db import connection

from config.devserver.mail import ConsoleBackend
from events.delivery import broker
from events.operations import console
from events.operations.console import BOLD, paint, short
from events.schema import registry

logger = logging.getLogger(__name__)

API = "/api/v1"
TIMEOUT = 15.0  # seconds, for a response and for an event
WIDTH = 100  # columns, where the output is not a terminal

StreamEvent = tuple[str, str]  # a stream and the name of an event in it
MAIL: StreamEvent = ("", "the mail")
RESERVED = "the reservation"  # of Inventory, in the stream of an order
WAREHOUSE = "wh_north"  # reserves what has no preferred warehouse


class Arrival(NamedTuple):
    """A published event or a mail: the text to print, and what `wait_for` finds it by."""

    text: str
    events: list[StreamEvent]


class DemoFailed(Exception):
    """A response or an event is missing, or not what the demo expects."""


class DemoClient:
    """Calls the API, waits for events, and prints both."""

    def __init__(
        self, out: OutputWrapper, *, url: str, organization_id: str, token: str, color: bool
    ) -> None:
        self._out = out
        self._organization_id = organization_id
        self._url = url
        self._token = token
        self._color = color
        self._steps = 0
        self._arrivals: SimpleQueue[Arrival] = SimpleQueue()
        self._printed: Counter[StreamEvent] = Counter()  # and not waited for yet
        self._seen: set[str] = set()

    @contextmanager
    def subscribed(self) -> Iterator[None]:
        """Receive every event and mail during the block."""
        bound, stop = threading.Event(), threading.Event()

        def consume() -> None:
            try:
                broker.tail(self._receive_event, listening=bound, stop=stop)
            except broker.Unavailable as error:
                logger.error("Events are published, but no longer printed: %s", error)
            finally:
                bound.set()

        ConsoleBackend.write_line = lambda text: self._arrivals.put(Arrival(text, [MAIL]))
        threading.Thread(target=consume, name="tail", daemon=True).start()
        bound.wait()
        try:
            yield
        finally:
            stop.set()

    def print(self, text: str = "", *, sgr: str = "") -> None:
        """Print a line; `sgr` is a terminal code such as BOLD."""
        self._out.write(paint(text, sgr, self._color) if sgr else text)
        self._out.flush()

    def step(self, title: str) -> None:
        """Print the number and the title of the next step."""
        self._steps += 1
        self.print()
        self.print(f"{self._steps:>2}  {title}", sgr=BOLD)

    def post(self, path: str, body: Mapping[str, Any], *, key: str | None = None) -> dict[str, Any]:
        """Send a POST, with an Idempotency-Key if given. Raises DemoFailed on an error status."""
        response, status = self._send("POST", path, json.dumps(body).encode(), key)
        self.print(f"    POST {API}{short(path)}  {status}")
        return response

    def poll(self, path: str, field: str) -> Any:
        """Get a list until a row of it has a value in the field; return the value.

        For what has no published event to wait for. Raises DemoFailed after `TIMEOUT`.
        """
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            response, status = self._send("GET", path)
            if values := [row[field] for row in response["results"] if row[field]]:
                self.print(f"    GET {API}{short(path)}  {status}")
                return values[0]
            time.sleep(0.2)  # no event says when the row is there
        raise DemoFailed(f"GET {path} returned no {field} within {TIMEOUT:.0f} s.")

    def _send(
        self, method: str, path: str, body: bytes | None = None, key: str | None = None
    ) -> tuple[dict[str, Any], str]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        request = Request(f"{self._url}{API}{path}", body, headers, method=method)
        try:
            with urlopen(request, timeout=TIMEOUT) as response:
                status, content = HTTPStatus(response.status), json.load(response)
                replayed = ", replayed" if response.headers["Idempotent-Replayed"] else ""
        except HTTPError as error:
            problem = error.read().decode(errors="replace")
            raise DemoFailed(
                f"{method} {path} returned {error.code}: {console.safe(problem)}"
            ) from error
        except OSError as error:
            raise DemoFailed(f"{method} {path} failed: {error}") from error
        return dict(content), f"{status.value} {status.phrase}{replayed}"

    def pay(self, order: Mapping[str, Any], token: str) -> dict[str, Any]:
        """Pay an order through the sandbox gateway, where the token decides the result."""
        body = {"order_id": order["id"], "payment_method": "sandbox", "gateway_token": token}
        return self.post("/payments", body, key=str(uuid4()))

    def run_timer(self, task: str, *, now: datetime, organization_id: str) -> None:
        """Run a periodic task for one organization, at another time than now.

        It is called here: no message may set the time of a timer.
        """
        moment = now.isoformat(timespec="seconds")
        self.print(f"    task {task}  now={moment}")
        current_app.tasks[task](now=moment, organization_id=organization_id)
        connection.close()  # of this thread, which otherwise uses HTTP only

    def wait_for(self, stream: str, *names: str) -> None:
        """Print arrivals until these events of a stream are printed. Raises DemoFailed."""
        self._wait_for(*((stream, name) for name in names))

    def wait_for_reservation(self, order_id: str) -> None:
        """Print arrivals until Inventory's response is printed. Raises DemoFailed."""
        self.wait_for(order_id, RESERVED)

    def wait_for_mail(self) -> None:
        """Print arrivals until a mail is printed. Raises DemoFailed."""
        self._wait_for(MAIL)

    def _wait_for(self, *expected: StreamEvent) -> None:
        deadline = time.monotonic() + TIMEOUT
        for event in expected:
            while not self._printed[event]:
                try:
                    self.print_next(timeout=max(deadline - time.monotonic(), 0))
                except Empty:
                    raise DemoFailed(f"{event[1]} did not arrive in {TIMEOUT:.0f} s.") from None
            self._printed[event] -= 1

    def print_summary(self) -> None:
        """Print how many of the published events were seen, and the names of the others."""
        published = {event.name for event in registry.values() if event.published}
        seen = published & self._seen
        self.print()
        self.print(f"{len(seen)} of {len(published)} events seen", sgr=BOLD)
        for name in sorted(published - seen):
            self.print(f"    not seen: {name}")

    def print_next(self, timeout: float | None = None) -> None:
        """Print the next event or mail. Raises queue.Empty after `timeout` seconds."""
        arrival = self._arrivals.get(timeout=timeout)
        self._printed.update(arrival.events)
        self._seen.update(name for _, name in arrival.events)
        self.print(textwrap.indent(arrival.text, " " * 6))

    def _receive_event(self, body: bytes, headers: Mapping[str, Any]) -> None:
        width = (shutil.get_terminal_size().columns if self._out.isatty() else WIDTH) - 6
        text = console.line(body, headers, color=self._color, width=width)
        names = headers.get("CC", ())  # the bare names, which are the second routing key
        self._arrivals.put(Arrival(text, [(headers["x-stream"], name) for name in names]))
        if "order.placed" in names:
            self._reserve(json.loads(body))

    def _reserve(self, placed: Mapping[str, Any]) -> None:
        """Reserve the stock of a placed order, as Inventory does. It knows variants only."""
        if placed["organization_id"] != self._organization_id:
            return
        order_id, items = placed["data"]["order_id"], placed["data"]["items"]
        allocations = [
            {
                "variant_id": item["variant_id"],
                "warehouse_id": item["preferred_warehouse_id"] or WAREHOUSE,
                "quantity": item["quantity"],
            }
            for item in items
        ]
        reservation = {"reservation_id": f"res_{order_id[-8:]}", "allocations": allocations}
        path = f"/orders/{order_id}/reservation"
        try:
            _, status = self._send("POST", path, json.dumps(reservation).encode())
        except DemoFailed as error:
            status = str(error)
        text = f"Inventory: POST {API}{short(path)}  {status}"
        self._arrivals.put(Arrival(text, [(order_id, RESERVED)]))
