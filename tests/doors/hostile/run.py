"""Hostile requests against a real server, and what is wrong with its responses and effects."""

import json
import re
import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from random import Random
from socket import SHUT_WR, create_connection, socket
from typing import Any

from config.api import tokens
from events.models import AuditEntry
from tests.doors.hostile import changes
from tests.doors.hostile.mutations import Attack, Tokens, mutate
from tests.doors.hostile.targets import Target, targets
from tests.doors.hostile.wire import Request, Response, send
from tests.doors.servers import Address

ORGANIZATION = "org_1"
NEIGHBOUR = "org_2"  # whose token some requests have
STALLED = 3  # connections that are open at once; gunicorn has eight threads
LEAKS = re.compile(r"Traceback|psycopg|DETAIL:|SELECT |django\.| object at 0x|\.py\b")
READS = ("GET", "HEAD", "OPTIONS", "TRACE")
# What a row does not show as it was sent: what is added up, who acts, and where units go.
ELSEWHERE = {"quantity", "actor"}
OF_OTHERS = {
    "move_fulfillment_units": {"warehouse_id"},
    "write_off_order_units": {"reason"},  # the response has that of the order's hold
}
AUDIT = f"INSERT {AuditEntry._meta.db_table}"  # the export of personal data is a GET


class Run:
    """Requests to the routes of a context; `findings` is what is wrong."""

    def __init__(self, context: str, address: Address, *, seed: int) -> None:
        self.context, self.address, self.seed = context, address, seed
        self.dice = Random(f"{seed} {context}")
        self.targets = list(targets(context))
        self.tokens = Tokens(*map(_token, (ORGANIZATION, NEIGHBOUR)))
        self.statuses, self.sent = Counter[str](), 0
        self.findings: list[str] = []
        self.seconds = 0.0

    def attack(self, count: int) -> None:
        """Send at least `count` requests."""
        started = time.monotonic()
        with changes.recorded(), ExitStack() as stack, ThreadPoolExecutor(3) as pool:
            self._pool, self._stack, self._stalled = pool, stack, deque[tuple[Attack, socket]]()
            # A new row takes as long as some requests.
            weights = [1 if target.needs_row else 2 for target in self.targets]
            while self.sent < count:
                (target,) = self.dice.choices(self.targets, weights)
                valid = target.valid
                attack = mutate(self.dice, valid, self.tokens)
                changes.take()
                self._send(target, attack)
            while self._stalled:
                self._end_stalled()
        self.seconds = time.monotonic() - started

    def figures(self) -> str:
        statuses = dict(sorted(self.statuses.items()))
        sent = f"{self.sent} hostile requests in {self.seconds:.0f} s"
        return f"{self.context}: {sent} {statuses}, seed {self.seed}"

    def report(self) -> str:
        """Return the findings, and how to repeat them."""
        repeat = f"--hostile {self.sent} --hostile-seed {self.seed} -k {self.context}"
        return "\n\n".join([self.figures(), *self.findings, f"To repeat it: {repeat}"])

    def _send(self, target: Target, attack: Attack) -> None:
        self.sent += len(attack.requests)
        if attack.is_stalled:
            self._stall(attack)
            return
        responses = list(self._pool.map(self._exchange, attack.requests))
        self.statuses.update(response.kind for response in responses)
        if not all(response.status for response in responses):
            changes.wait_for_the_server()
        changed = changes.take()
        if all(response.is_success for response in responses):
            del changed[AUDIT]
        for sent, response in zip(attack.requests, responses, strict=True):
            if problem := wrong_response(attack, sent, response):
                self._find(attack, sent, response, problem)
        sent, response = attack.requests[0], responses[0]
        done = [
            each
            for each, one in zip(responses, attack.requests, strict=True)
            if each.is_success and one.method not in READS
        ]
        if changed and not done:
            self._find(attack, sent, response, f"it changed {dict(changed)}")
        executed = [each for each in done if "Idempotent-Replayed" not in each.headers]
        if attack.is_one_key and len(executed) > 1:
            self._find(attack, sent, response, f"{len(executed)} with one key were executed")
        if done:
            if len(attack.requests) == 1 and (lost := self._lost(attack, response)):
                self._find(attack, sent, response, f"it is not stored as it was sent: {lost}")
            target.use_up()

    def _exchange(self, sent: Request) -> Response:
        try:
            return send(self.address, sent)
        except TimeoutError:
            return Response(-1)

    def _stall(self, attack: Attack) -> None:
        while len(self._stalled) >= STALLED:
            self._end_stalled()
        connection = self._stack.enter_context(create_connection(self.address, timeout=30))
        connection.sendall(bytes(attack.requests[0]))
        self._stalled.append((attack, connection))

    def _end_stalled(self) -> None:
        attack, connection = self._stalled.popleft()
        connection.shutdown(SHUT_WR)
        while connection.recv(65536):
            pass
        connection.close()
        changes.wait_for_the_server()
        if changed := changes.take():
            self._find(attack, attack.requests[0], Response(0), f"it changed {dict(changed)}")

    def _lost(self, attack: Attack, response: Response) -> list[str]:
        """Return the values that were sent and accepted, and that the row does not have."""
        if not isinstance(attack.body, dict) or attack.valid.webhook or not response.body:
            return []
        row = json.loads(response.body, parse_float=Decimal)
        found = dict[str, list[Any]]()
        for key, value in _leaves(row):
            found.setdefault(key, []).append(_normal(value))
        elsewhere = ELSEWHERE | OF_OTHERS.get(attack.valid.operation_id, set())
        return [
            f"{key} {value!r} is {found[key]}"
            for key, value in _leaves(attack.body)
            if key in found and key not in elsewhere and value is not None
            if _normal(value) not in found[key]
        ]

    def _find(self, attack: Attack, sent: Request, response: Response, text: str) -> None:
        shown = response.body[:1_000].decode(errors="replace")
        lines = [
            f"{attack.valid.operation_id}, {attack.name}: {text}",
            f"{response.status or 'no response'} {shown}",
            *(each.command(self.address) for each in attack.requests),
        ]
        self.findings.append("\n".join(lines))


def wrong_response(attack: Attack, sent: Request, response: Response) -> str:
    """Return what is wrong with the response, or nothing."""
    if response.status < 0:
        return "no response within the timeout"
    is_http = attack.is_http and sent.is_http
    if response.status == 0:
        return "" if not is_http else "the connection was closed without a response"
    if response.status == 503 and "Retry-After" in response.headers:
        return ""
    # What is not HTTP may be gunicorn's: 501 is for a transfer coding that it does not know.
    if response.status >= 500 and (is_http or response.is_from_django):
        return "a server error"
    if response.status < 400:
        is_wrong = not attack.may_succeed and response.is_success
        return "it was accepted" if is_wrong else ""
    if not response.is_from_django:
        return ""  # gunicorn has refused what it does not read as HTTP
    return "" if sent.method == "HEAD" else _wrong_problem(response)


def _wrong_problem(response: Response) -> str:
    if response.headers.get_content_type() != "application/problem+json":
        return "the error is no problem document"
    try:
        problem = json.loads(response.body)
    except ValueError:
        return "the error is not JSON"
    texts = [problem["detail"], *(str(each) for each in problem.get("errors", {}).values())]
    if not all(texts) or (problem["code"] == "invalid_request" and not problem["errors"]):
        return "the error does not say what is wrong"
    if problem["status"] != response.status:
        return "the problem has another status"
    leaked = [text for text in texts if LEAKS.search(text)]
    return f"the error shows internals: {leaked}" if leaked else ""


def _leaves(tree: Any, key: str = "") -> list[tuple[str, Any]]:
    if isinstance(tree, dict):
        return [each for name, value in tree.items() for each in _leaves(value, name)]
    if isinstance(tree, list):
        return [each for value in tree for each in _leaves(value, key)]
    return [(key, tree)]


def _normal(value: Any) -> Any:
    """Return a value as the service shows it: texts stripped, any number of decimals, seconds."""
    text = getattr(value, "text", value)
    if isinstance(text, bool):
        return text
    with suppress(InvalidOperation):
        if (number := Decimal(str(text))).is_finite():
            return number.normalize()
    return re.sub(r"(:\d\d)\.\d+Z$", r"\1Z", str(text).strip())


def _token(organization_id: str) -> str:
    return tokens.issue(
        organization_id=organization_id, subject="user_1", scope="*", lifetime=timedelta(hours=3)
    )
