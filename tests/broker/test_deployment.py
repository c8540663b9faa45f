"""The processes of the image, started with the commands of the image and compose.yaml."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
import yaml
from celery.utils.imports import symbol_by_name
from django.conf import settings
from django.db import connection

from config import database, workers
from config.celery import app
from events.operations import metrics
from tests.broker.conftest import environment, wait_until
from tests.events.sample_events import created, happen
from tests.promql import PROMETHEUS, exported_metrics, queried_metrics

ROOT = Path(settings.BASE_DIR)
BIN = Path(sys.executable).parent
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = ("web", "workers")


@pytest.fixture
def production(tmp_path, transactional_db):
    """The environment of a container: DEBUG off, behind a TLS proxy, with shared metrics."""
    (tmp_path / "secret").write_text("s" * 50)
    return environment(
        DEBUG="false",
        SECRET_KEY="",
        SECRET_KEY_FILE=str(tmp_path / "secret"),
        ALLOWED_HOSTS="localhost",
        PUBLIC_URL="https://orders.example.com",
        LOG_LEVEL="INFO",
        STATIC_ROOT=str(tmp_path / "static"),
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path),
        PYTHONWARNINGS="ignore",  # Celery warns about root
    )


@contextmanager
def running(command, env, log):
    """Yield while the process runs; SIGTERM must end it with exit code 0."""
    with open(log, "w") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=out)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0, log.read_text()


def get(url):
    """Return the response, or None while the port is closed."""
    try:
        return urlopen(
            Request(url, headers={"X-Forwarded-Proto": "https", **PROMETHEUS}), timeout=10
        )
    except HTTPError:
        raise
    except URLError:
        return None


def command_of(service):
    """Return the service's command, with the programs of this environment."""
    image = re.search(r"^CMD (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    program, *arguments = COMPOSE["services"][service].get("command") or json.loads(image[1])
    prefix = settings.EVENTS_QUEUE_PREFIX
    return [
        str(BIN / program),
        *(each.replace("${EVENTS_QUEUE_PREFIX:-}", prefix) for each in arguments),
    ]


def test_the_web_server_serves_the_api_and_the_static_files_of_the_admin(
    production, tmp_path, unused_tcp_port
):
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity", "0"],
        cwd=ROOT,
        env=production,
        check=True,
    )
    url, log = f"http://localhost:{unused_tcp_port}", tmp_path / "log"
    arguments = f"--bind 127.0.0.1:{unused_tcp_port}"
    env = production | {"GUNICORN_CMD_ARGS": arguments, "WEB_CONCURRENCY": "2"}
    with running(command_of("web"), env, log) as process:
        wait_until(lambda: process.poll() is not None or get(f"{url}/health/live"), "no response")
        assert process.poll() is None, log.read_text()
        assert json.load(get(f"{url}/health/ready")) == {"status": "ok"}
        assert queried_metrics() <= exported_metrics(get(f"{url}/metrics").read())
        page = get(f"{url}/admin/login/")
        assert page.headers["Strict-Transport-Security"]
        assert "Secure" in page.headers["Set-Cookie"]
        (style,) = re.findall(r'href="(/static/console/console\.[^"]+)"', page.read().decode())
        assert "immutable" in get(f"{url}{style}").headers["Cache-Control"]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert "GET /admin/login/ 200" in {line["message"] for line in lines}


def test_without_a_proxy_the_header_for_tls_is_ignored(production, tmp_path, unused_tcp_port):
    log, address = tmp_path / "log", f"127.0.0.1:{unused_tcp_port}"
    env = production | {"GUNICORN_CMD_ARGS": f"--bind {address}", "TRUSTED_PROXIES": "0"}
    with running(command_of("web"), env, log) as process:
        url = f"http://{address}/health/live"
        wait_until(lambda: process.poll() is not None or get(url), "no response")
        web = HTTPConnection(address, timeout=10)
        claim = {"X-Forwarded-Proto": "https", "Host": "localhost"}
        web.request("GET", "/admin/login/", headers=claim)
        assert web.getresponse().status == 301
        web.close()


def children(process):
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()


def test_the_workers_serve_metrics_and_replace_a_process_that_is_killed(
    consumer, production, tmp_path, unused_tcp_port
):
    log = tmp_path / "log"
    env = production | {"METRICS_PORT": str(unused_tcp_port)}
    with running(command_of("workers"), env, log) as process:
        url = f"http://localhost:{unused_tcp_port}"
        wait_until(lambda: process.poll() is not None or get(url), "no response")
        assert process.poll() is None, log.read_text()
        from_the_database = {family.name for family in metrics.PendingWorkCollector().collect()}
        assert queried_metrics() - from_the_database <= exported_metrics(get(url).read())
        happen("cart_1", created())  # no task is enqueued: the sweep finds it
        wait_until(consumer.read, "nothing is published")
        started = children(process)
        assert len(started) == len(workers.QUEUES)
        os.kill(int(started[0]), signal.SIGKILL)  # the relay
        happen("cart_2", created("cart_2"))
        wait_until(lambda: ("cart_2", 1) in consumer.places(), "the relay is not started again")
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert "relay has ended with status -9" in {line["message"] for line in lines}


@pytest.mark.parametrize("service", OURS)
def test_a_process_does_not_start_if_a_queue_names_a_misspelled_event(
    service, production, unused_tcp_port
):
    env = production | {
        "EVENTS_CONSUMER_QUEUES": '{"support": ["order.helt"]}',
        "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{unused_tcp_port}",
    }
    done = subprocess.run(
        command_of(service), cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "Queue support is bound to order.helt, which is no published event." in said
    assert "Did you mean order.held? Correct it in EVENTS_CONSUMER_QUEUES" in said


@pytest.mark.parametrize("service", OURS)
def test_a_compose_service_can_write_only_to_tmp_and_the_documents(service):
    described = COMPOSE["services"][service]
    assert described["read_only"] is True
    assert described["tmpfs"] == ["/tmp"]
    assert described["cap_drop"] == ["ALL"]
    own = ["worker-secrets:/run/worker:ro"] if service == "workers" else []
    assert described["volumes"] == [
        "secrets:/run/order-service:ro",
        *own,
        "media:/var/lib/order-service",
    ]
    assert described["healthcheck"]
    assert "user" not in described, "the user of the image applies"


def test_compose_sets_only_variables_that_the_service_reads():
    text = "".join(
        (ROOT / "config" / f"{name}.py").read_text() for name in ("settings", "gunicorn")
    )
    for service in OURS:
        for name in COMPOSE["services"][service]["environment"]:
            assert name.removesuffix("_FILE") in text, name


@pytest.mark.django_db
def test_idle_transactions_are_ended_whatever_the_url_sets():
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("1min",)
    asked = database.postgresql(10, "a=1 b=2", options="-c search_path=shop", sslmode="require")
    assert asked["options"] == f"-c a=1 -c b=2 {database.SERVER} -c search_path=shop"
    assert asked["sslmode"] == "require"


def test_a_worker_tries_to_reconnect_every_few_seconds():
    asked = {}

    class Connection:
        def ensure_connection(self, *args, **pauses):
            asked.update(pauses)

    consumer = symbol_by_name(app.conf.worker_consumer)
    reader = object.__new__(consumer)
    reader.app, reader.first_connection_attempt = app, True
    reader.ensure_connected(Connection())
    assert asked["interval_max"] == 5


@pytest.mark.django_db
def test_gunicorn_refuses_as_many_threads_as_the_pool_has_connections():
    command = ["gunicorn", "--config=python:config.gunicorn", "--threads=10", "config.wsgi"]
    run = subprocess.run(
        [sys.executable, "-m", *command],
        env=environment(DJANGO_SETTINGS_MODULE="config.settings"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode
    assert "it must be more than the 10 threads" in run.stderr
