"""A proxy between the service and the broker, which can pause and cut connections."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from tests.conftest import free_port

CHUNK = 65536


class Proxy:
    """Forwards all bytes; on hold, none from the broker."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (str(parts.hostname), parts.port or 5672)
        self._open, self._wires = threading.Event(), set[socket.socket]()
        self._open.set()
        self.port = free_port()
        login = f"{parts.username}:{parts.password}"
        self.url = url.replace(parts.netloc, f"{login}@127.0.0.1:{self.port}")
        self.open()

    def open(self) -> None:
        """Accept connections."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def close(self) -> None:
        """Cut all connections, and accept no more."""
        self._listener.shutdown(socket.SHUT_RDWR)  # ends the pending `accept`
        self._listener.close()
        self.release()
        for wire in list(self._wires):
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
            wire.close()
        self._wires.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            broker = socket.create_connection(self._target)
            self._wires |= {client, broker}
            threading.Thread(target=self._pass, args=(client, broker, None), daemon=True).start()
            threading.Thread(
                target=self._pass, args=(broker, client, self._open), daemon=True
            ).start()

    def _pass(
        self, source: socket.socket, target: socket.socket, gate: threading.Event | None
    ) -> None:
        try:
            while chunk := source.recv(CHUNK):
                if gate:
                    gate.wait()
                target.sendall(chunk)
        except OSError:
            pass
        finally:
            for wire in (source, target):
                wire.close()
            self._wires -= {source, target}
