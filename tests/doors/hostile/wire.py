"""HTTP as bytes: what an HTTP client would refuse to send is sent, too."""

import http.client
import re
import shlex
import socket
from contextlib import suppress
from dataclasses import dataclass, field

from tests.doors.servers import Address

TIMEOUT = 30  # seconds until a request counts as hanging
SHOWN = 2_000  # bytes of a target or a body in a report
LONGEST_LINE = 4_094  # gunicorn's limit of the first line
Headers = list[tuple[str, str]]


@dataclass
class Request:
    """A request; texts are encoded as ISO 8859-1, so that they can contain any byte.

    The length of the body is added unless a header says something about it. `head` replaces the
    request line, `end` the ends of the lines, and `is_cut_off` closes the connection after the
    body.
    """

    method: str
    target: str
    headers: Headers = field(default_factory=list)
    body: bytes | None = None
    head: str = ""
    end: str = "\r\n"
    is_cut_off: bool = False

    def replace(self, name: str, value: str | None) -> None:
        """Set a header, or remove it."""
        self.headers = [each for each in self.headers if each[0].lower() != name.lower()]
        if value is not None:
            self.headers.append((name, value))

    @property
    def is_http(self) -> bool:
        """Whether the first line is one that gunicorn does not refuse by itself."""
        line = f"{self.method} {self.target} HTTP/1.1\r\n"
        is_line = re.fullmatch(r"[A-Z]{3,20} [!-~]+ HTTP/1.1\r\n", line)
        return bool(is_line) and len(line) <= LONGEST_LINE and self.target.startswith("/")

    @property
    def is_framed(self) -> bool:
        return self.has("Content-Length") or self.has("Transfer-Encoding")

    def has(self, name: str) -> bool:
        return any(each.lower() == name.lower() for each, _ in self.headers)

    def __bytes__(self) -> bytes:
        lines = [self.head or f"{self.method} {self.target} HTTP/1.1"]
        lines += [f"{name}: {value}" if name else value for name, value in self.headers]
        if self.body is not None and not self.is_framed:
            lines.append(f"Content-Length: {len(self.body)}")
        return self.end.join([*lines, "", ""]).encode("latin-1") + (self.body or b"")

    def command(self, address: Address) -> str:
        """Return the request as a command for bash: curl, or if that would not send it, netcat."""
        host, port = address
        if self.is_framed or self.head or self.is_cut_off or self.end != "\r\n":
            return f"printf {_quoted(bytes(self))} | nc -N {host} {port}"
        parts = ["curl -i -g --path-as-is", f"-X {shlex.quote(self.method)}"]
        parts += [
            f"-H {_quoted(f'{name}: {value}'.encode('latin-1'))}" for name, value in self.headers
        ]
        if self.body is not None:
            parts.append(f"--data-binary {_quoted(self.body)}")
        return " ".join([*parts, _quoted(f"http://{host}:{port}{self.target}".encode("latin-1"))])


def _quoted(value: bytes) -> str:
    """Return the bytes in bash's quotes that know escapes; long ones are cut off."""
    text = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in "'\\%" else f"\\x{byte:02x}"
        for byte in value[:SHOWN]
    )
    left = len(value) - SHOWN
    return f"$'{text}'" + (f" # and {left} bytes: repeat the run with its seed" if left > 0 else "")


@dataclass(frozen=True)
class Response:
    """A response; `status` is 0 if the server closed the connection without one."""

    status: int
    headers: http.client.HTTPMessage = field(default_factory=http.client.HTTPMessage)
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def kind(self) -> str:
        """Return the class of its status; of an error of the server, what it is and whose."""
        if self.status <= 0:
            return "none"
        if self.status < 500:
            return f"{self.status // 100}xx"
        return str(self.status) if self.is_from_django else f"{self.status} of gunicorn"

    @property
    def is_from_django(self) -> bool:
        """Whether it is the application's; gunicorn refuses what is not HTTP itself."""
        return "X-Request-ID" in self.headers


def send(address: Address, request: Request) -> Response:
    """Send a request on a connection of its own, and return the response."""
    with socket.create_connection(address, timeout=TIMEOUT) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(ConnectionError):  # the server refuses the request before it has all of it
            client.sendall(bytes(request))
            if request.is_cut_off:
                client.shutdown(socket.SHUT_WR)
        return _read(client, request.method)


def _read(client: socket.socket, method: str) -> Response:
    response = http.client.HTTPResponse(client, method=method)
    try:
        response.begin()
        return Response(response.status, response.headers, response.read())
    except TimeoutError:
        raise
    except (http.client.HTTPException, OSError):
        return Response(0)
    finally:
        response.close()


def chunked(body: bytes, size: int = 7, extension: bytes = b"") -> bytes:
    """Return a body in chunks."""
    chunks = [body[n : n + size] for n in range(0, len(body), size)]
    each = [b"%x%s\r\n%s\r\n" % (len(chunk), extension, chunk) for chunk in chunks]
    return b"".join(each) + b"0\r\n\r\n"


def slashed(text: str) -> str:
    """Return a text whose characters outside ASCII are percent-encoded."""
    return re.sub(r"[^!-~]", lambda found: "".join(f"%{b:02X}" for b in found[0].encode()), text)
