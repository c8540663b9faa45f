"""A separate PostgreSQL cluster, which the tests can kill."""

import os
import shutil
import subprocess
from pathlib import Path

import psycopg

from tests.conftest import free_port


def _program(name: str) -> str | None:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # not on the PATH there
    return shutil.which(name, path=":".join([*map(str, debian[-1:]), os.environ["PATH"]]))


def is_possible() -> bool:
    return _program("initdb") is not None


class Cluster:
    def __init__(self, directory: Path) -> None:
        self.port, self._data = free_port(), directory / "data"
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        # PostgreSQL refuses to run as root.
        self._user = ["su", "postgres", "-s", "/bin/sh", "-c"] if os.geteuid() == 0 else None
        if self._user:
            for each in (directory, *directory.parents):
                if not os.stat(each).st_mode & 0o001:
                    each.chmod(0o711)
            shutil.chown(directory, "postgres")
        self._run("initdb", "-U", "postgres", "--auth=trust", "-D", str(self._data))

    def _run(self, name: str, *arguments: str) -> None:
        command = [str(_program(name)), *arguments]
        if self._user:
            command = [*self._user, " ".join(f"'{each}'" for each in command)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)

    def start(self, options: str = "") -> None:
        options = f"-p {self.port} -h 127.0.0.1 -c unix_socket_directories= {options}"
        log = str(self._data / "log")
        self._run("pg_ctl", "-s", "-w", "-D", str(self._data), "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """Stop immediately, as in a power failure; the write-ahead log keeps all commits."""
        self._run("pg_ctl", "-s", "-w", "-D", str(self._data), "-m", "immediate", "stop")

    def pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def terminate(self) -> int:
        """End all other connections; return their number."""
        with psycopg.connect(self.url.replace("postgres://", "postgresql://")) as own:
            ended = own.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return len(ended.fetchall())
