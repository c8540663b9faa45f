"""A separate RabbitMQ node, which the tests can stop, freeze and starve."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import kombu

from tests.broker.conftest import wait_until
from tests.conftest import free_port

SCRIPTS = Path("/usr/lib/rabbitmq/bin")  # Debian's; those on the PATH change the user


def is_possible() -> bool:
    return _script("rabbitmq-server") is not None


def _script(name: str) -> str | None:
    return shutil.which(name, path=f"{SCRIPTS}:{os.environ['PATH']}")


class Node:
    def __init__(
        self, directory: Path, configuration: str = "", login: str = "guest:guest", vhost: str = "/"
    ) -> None:
        self.port, dist_port = free_port(), free_port()
        self.url = self.url_of(login, vhost)
        self.env = {
            **os.environ,
            "HOME": str(directory),
            "RABBITMQ_NODENAME": f"test-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(dist_port),
            "RABBITMQ_MNESIA_BASE": str(directory / "data"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(directory / "env"),
        }
        (directory / "rabbitmq.conf").write_text(f"collect_statistics = none\n{configuration}")
        (directory / "plugins").write_text("[].")
        self._process: subprocess.Popen[bytes] | None = None

    def url_of(self, login: str, vhost: str) -> str:
        return f"amqp://{login}@127.0.0.1:{self.port}/{vhost}"

    def start(self) -> None:
        """Start the node, and wait until it responds."""
        self._process = subprocess.Popen(
            [str(_script("rabbitmq-server"))],
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(self.responds, "the node does not start")

    def responds(self) -> bool:
        try:
            with kombu.Connection(self.url, connect_timeout=2) as connection:
                connection.connect()
        except OSError:
            return False
        return True

    def control(self, *arguments: str) -> None:
        command = [str(_script("rabbitmqctl")), "-n", self.env["RABBITMQ_NODENAME"], *arguments]
        subprocess.run(command, env=self.env, check=True, capture_output=True, timeout=60)

    def pid(self) -> int:
        assert self._process, "the node runs"
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the node and to the shell around it."""
        if self._process:
            os.killpg(self._process.pid, number)

    def stop(self) -> None:
        """Kill the node, as a power failure would."""
        if self._process:
            self.send(signal.SIGKILL)
            self._process.wait()
            self._process = None
