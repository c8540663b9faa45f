"""The whole service of a revision as separate processes, and what they cost."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import yaml

from config.api import tokens
from tests.benchmarks.client import Listener
from tests.broker.conftest import wait_until
from tests.broker.faults.cluster import Cluster
from tests.broker.faults.node import Node
from tests.conftest import free_port

TICKS = os.sysconf("SC_CLK_TCK")
COUNTED = Path(__file__).with_name("counted.py")
WEB = ("-m", "gunicorn", "--config=python:config.gunicorn", "config.wsgi")


class Cost(NamedTuple):
    """What a stack has used since it started: seconds of processor, statements, Celery tasks."""

    processor: Counter[str]
    statements: int
    tasks: Counter[str]

    def since(self, before: "Cost") -> "Cost":
        return Cost(
            Counter({key: each - before.processor[key] for key, each in self.processor.items()}),
            self.statements - before.statements,
            self.tasks - before.tasks,
        )


class Stack:
    """The processes of a checkout's compose.yaml, on a PostgreSQL cluster and a RabbitMQ node."""

    def __init__(self, checkout: Path, directory: Path, **settings: str) -> None:
        self.checkout, self.directory, self.settings = checkout, directory, settings
        self.address = f"localhost:{free_port()}"
        for name in ("postgresql", "rabbitmq", "media"):
            (directory / name).mkdir(parents=True)
        self.cluster = Cluster(directory / "postgresql")
        self.node = Node(directory / "rabbitmq")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.listener: Any = None

    def start(self) -> None:
        self.cluster.start("-c shared_preload_libraries=pg_stat_statements")
        self.node.start()
        with self.database() as database:
            database.execute("CREATE EXTENSION pg_stat_statements")
            database.execute("CREATE ROLE service SUPERUSER LOGIN")
        self.env = {
            **os.environ,
            "API_THROTTLE": "",
            "API_OUTBOUND_SLOTS": "0",  # on a slow machine, six clients would exceed it
            "ALLOWED_HOSTS": "localhost",
            "DATABASE_POOL_SIZE": "10",
            "DATABASE_URL": self.cluster.url.replace("postgres@", "service@"),
            "CELERY_BROKER_URL": self.node.url,
            "EVENTS_BROKER_URL": self.node.url,
            "EVENTS_EXCHANGE": "order_events",
            "EVENTS_QUEUE_PREFIX": "",
            "DEBUG": "false",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "EMAIL_URL": "memorymail://",
            "MEDIA_ROOT": str(self.directory / "media"),
            "CARRIER_SANDBOX": "true",
            "PAYMENT_SANDBOX": "true",
            "LOG_LEVEL": "INFO",
            "PUBLIC_URL": "https://orders.example.com",
            "TASKS_FILE": str(self.directory / "tasks"),
            "WEB_CONCURRENCY": "2",
            **self.settings,
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0"],
            env=self.env,
            cwd=self.checkout,
            check=True,
        )
        for name, arguments in self._commands().items():
            with (self.directory / name).open("wb") as log:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, *arguments],
                    env=self.env,
                    cwd=self.checkout,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        wait_until(self._is_up, f"the web of {self.checkout} does not respond")
        wait_until(lambda: "ready" in self._tasks(), "the workers do not start")
        self.listener = Listener(self.node.url)

    def stop(self) -> None:
        if self.listener:
            self.listener.close()
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.node.stop()
        with suppress(subprocess.CalledProcessError):
            self.cluster.stop()

    def token(self, organization_id: str = "org_1") -> str:
        return tokens.issue(
            organization_id=organization_id,
            subject="user_1",
            scope="*",
            lifetime=timedelta(hours=3),
        )

    def cost(self) -> Cost:
        trees = self._trees()
        trees["PostgreSQL"] = tree_of(self.cluster.pid())
        trees["RabbitMQ"] = tree_of(self.node.pid())
        with self.database() as database:
            (statements,) = database.execute(
                "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements"
                " WHERE userid = 'service'::regrole"
            ).fetchone()
        seconds = {name: sum(map(seconds_of, pids)) for name, pids in trees.items()}
        return Cost(Counter(seconds), int(statements), self._tasks())

    def memory(self) -> dict[str, float]:
        """Return the proportional set size of the web and of the workers in MB."""
        return {name: sum(map(pss_of, pids)) for name, pids in self._trees().items()}

    def database(self) -> psycopg.Connection:
        return psycopg.connect(self.cluster.url.replace("postgres://", "postgresql://"))

    def _commands(self) -> dict[str, list[str]]:
        """Return the arguments of Python for each process of the service in compose.yaml."""
        services = yaml.safe_load((self.checkout / "compose.yaml").read_text())["services"]
        found = {"web": [*WEB, f"--bind={self.address}"]}
        for name, service in services.items():
            command = [
                word.replace("${EVENTS_QUEUE_PREFIX:-}", "") for word in service.get("command", [])
            ]
            if command[:2] == ["python", "-m"]:
                command = command[2:]
            if command and command[0] in ("celery", "config.workers"):
                found[name] = [str(COUNTED), *command]
        return found

    def _trees(self) -> dict[str, list[int]]:
        """Return the process ids of the web, and of all workers with the scheduler."""
        trees: dict[str, list[int]] = {"web": [], "workers": []}
        for name, process in self.processes.items():
            trees["web" if name == "web" else "workers"] += tree_of(process.pid)
        return trees

    def _is_up(self) -> bool:
        web = HTTPConnection(self.address)
        try:
            web.request("GET", "/health/live", headers={"X-Forwarded-Proto": "https"})
            return web.getresponse().status < 400
        except OSError:
            return False
        finally:
            web.close()

    def _tasks(self) -> Counter[str]:
        file = self.directory / "tasks"
        return Counter(file.read_text().split()) if file.exists() else Counter()


def tree_of(pid: int) -> list[int]:
    """Return the process and all its descendants."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return [pid, *(each for child in children for each in tree_of(int(child)))]


def seconds_of(pid: int) -> float:
    """Return the processor time of a process and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS


def pss_of(pid: int) -> float:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return int(re.findall(r"^Pss:\s+(\d+)", rollup, re.M)[0]) / 1024
