"""The time that a stopped broker adds to a request."""

import json
from datetime import timedelta
from http.client import HTTPConnection
from itertools import count
from statistics import median
from time import perf_counter

import pytest

from config.api import tokens
from tests.benchmarks.measure import Line, paired, spread, table
from tests.broker.conftest import wait_until
from tests.broker.faults.deployment import Deployment
from tests.broker.faults.node import Node, is_possible

pytestmark = pytest.mark.django_db(transaction=True)
COUNT = 2_000  # requests in a run
keys = count()


@pytest.mark.usefixtures("deployed")
@pytest.mark.skipif(not is_possible(), reason="rabbitmq-server is not installed here")
def test_broker_stopped(tmp_path, settings, unused_tcp_port, monkeypatch):
    """Two web processes open carts; each cart publishes an event, whose task is sent."""
    monkeypatch.setenv("ALLOWED_HOSTS", "localhost")
    token = tokens.issue(
        organization_id="org_1", subject="user_1", scope="*", lifetime=timedelta(hours=1)
    )
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "X-Forwarded-Proto": "https",
    }
    body = json.dumps({"customer_id": "cust_1", "currency": "USD"})

    def open_cart() -> int:
        web = HTTPConnection("localhost", unused_tcp_port, timeout=20)
        try:
            key = {"Idempotency-Key": f"key-{next(keys)}"}
            web.request("POST", "/api/v1/carts", body, headers | key)
            return web.getresponse().status
        finally:
            web.close()

    def is_up() -> bool:
        try:
            return open_cart() == 201
        except ConnectionError:
            return False

    def run() -> float:
        took = []
        for _ in range(COUNT):
            started = perf_counter()
            assert open_cart() == 201
            took.append(perf_counter() - started)
        return median(took)

    def running() -> float:
        node.start()
        took = run()
        node.stop()
        return took

    node = Node(tmp_path)
    settings.EVENTS_BROKER_URL = node.url
    deployment = Deployment()
    try:
        deployment.web(f"localhost:{unused_tcp_port}")
        wait_until(is_up, "the web does not respond")
        ratios = [stopped / well for stopped, well in paired(run, running)]
    finally:
        deployment.stop()
        node.stop()
    what = "a request while the broker is stopped: time to that while it runs"
    table.append(Line(what, spread(ratios), "≤ 1.10", median(ratios) <= 1.1))
