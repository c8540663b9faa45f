"""`manage.py run` as a process."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Timer
from urllib.request import Request, urlopen

import pytest
from django.conf import settings

from config.api import tokens
from config.devserver import demo

TIMEOUT = 180  # seconds; then a run that hangs is killed, and its test fails


def environment(directory: Path, **changes: str) -> dict[str, str]:
    """Return the environment of a run, without the variables of the tests."""
    return {
        "PATH": os.environ["PATH"],
        "DEBUG": "true",
        "SECRET_KEY": settings.SECRET_KEY,
        "JWT_SECRET": settings.JWT_SECRET,
        "DATABASE_URL": f"sqlite:///{directory}/var/orders.sqlite3",
        "MEDIA_ROOT": f"{directory}/var/media",
        "CELERY_BROKER_URL": "memory://",
        "EVENTS_BROKER_URL": "memory://",
        **changes,
    }


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a migrated, empty database."""
    directory = tmp_path_factory.mktemp("migrated")
    (directory / "var").mkdir()
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "-v0"],
        env=environment(directory),
        cwd=settings.BASE_DIR,
        check=True,
    )
    return directory


@pytest.fixture
def directory(migrated: Path, tmp_path: Path) -> Path:
    shutil.copytree(migrated, tmp_path, dirs_exist_ok=True)
    return tmp_path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "manage.py", "run", *arguments]


class Run:
    """A running process and its output so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.output = ""

    def read_until(self, text: str) -> str:
        assert self.process.stdout
        while text not in self.output:
            line = self.process.stdout.readline()
            assert line, f"{text!r} was not printed:\n{self.output}"
            self.output += line
        return self.output

    @property
    def url(self) -> str:
        return re.findall(r"http://localhost:\d+", self.read_until("http://"))[0]

    def get(self, path: str) -> bytes:
        token = tokens.issue(
            organization_id=demo.ORGANIZATION,
            subject="user_1",
            scope="*",
            lifetime=timedelta(minutes=5),
        )
        request = Request(f"{self.url}{path}", headers={"Authorization": f"Bearer {token}"})
        with urlopen(request, timeout=10) as response:
            return bytes(response.read())

    def stop(self, number: int) -> float:
        """Send the signal; return how many seconds the process took to exit."""
        before = time.monotonic()
        self.process.send_signal(number)
        self.output += self.process.communicate()[0]
        return time.monotonic() - before


@contextmanager
def running(directory: Path, *arguments: str, **changes: str) -> Iterator[Run]:
    process = subprocess.Popen(
        command("--port", "0", *arguments),
        env=environment(directory, **changes),
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        killer = Timer(TIMEOUT, process.kill)
        killer.start()
        try:
            yield Run(process)
        finally:
            killer.cancel()
            process.kill()


def refused(directory: Path, *arguments: str, **changes: str) -> str:
    """Return the error message, one line, of a run that does not start."""
    done = subprocess.run(
        command(*arguments),
        env=environment(directory, **changes),
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr
