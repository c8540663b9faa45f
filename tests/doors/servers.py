"""gunicorn as in the image, and nginx with the project's configuration in front of it.

Their connections have small buffers: the kernel's would hold most responses for a slow client.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings

from tests.broker.conftest import process, wait_until
from tests.conftest import free_port

CONFIGURATION = Path(settings.BASE_DIR) / "config" / "nginx"
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
GUNICORN = ("-m", "gunicorn", "--config=python:config.gunicorn", "config.wsgi")
SEND_BUFFER = 8192  # bytes
Address = tuple[str, int]


@contextmanager
def gunicorn() -> Iterator[Address]:
    """Run gunicorn, and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        number = listener.fileno()
        with process(*GUNICORN, f"--bind=fd://{number}", pass_fds=[number]):
            yield listener.getsockname()


@contextmanager
def nginx(
    directory: Path, web: Address, *, listen: str = "http.conf", port: int = 8080
) -> Iterator[Address]:
    """Run nginx in front of `web`, and yield the address of what listens on `port` in `listen`."""
    assert NGINX, "nginx is not installed"
    address = "127.0.0.1", free_port()
    server = (CONFIGURATION / listen).read_text()
    for known in (8080, 8443):
        own = address[1] if known == port else free_port()
        server = server.replace(f"listen {known}", f"listen 127.0.0.1:{own} sndbuf={SEND_BUFFER}")
    main = (CONFIGURATION / "nginx.conf").read_text()
    main = main.replace("/tmp/", f"{directory}/").replace(" web:8000;", " {}:{};".format(*web))
    (directory / "nginx.conf").write_text(main)
    # After a 413, nginx waits so long for the rest of the body before it closes the connection.
    (directory / "server.conf").write_text(f"{server}lingering_timeout 100ms;\n")
    user = "user root; " if os.geteuid() == 0 else ""  # others may not read the directory
    command = [NGINX, "-e", "stderr", "-c", directory / "nginx.conf", "-g", f"{user}daemon off;"]
    with subprocess.Popen(command) as running:
        try:
            wait_until(lambda: accepts(address), "nginx does not start")
            yield address
        finally:
            running.terminate()


def accepts(address: Address) -> bool:
    with suppress(ConnectionError):
        socket.create_connection(address, timeout=5).close()
        return True
    return False
