"""A client of the REST API that knows nothing of the service but its address."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from http.client import HTTPConnection, HTTPException
from threading import Lock
from typing import Any

from config.api import tokens

TIMEOUT = 30  # seconds until a request counts as hanging


@dataclass(frozen=True)
class Request:
    """A request. `name` is what it does, such as `orders cancel`."""

    name: str
    method: str
    path: str
    body: dict[str, Any] | None = None
    key: str | None = None  # the Idempotency-Key


@dataclass(frozen=True)
class Response:
    """A response; `status` is 0 if there was none."""

    status: int
    body: Any

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def outcome(self) -> str:
        """`201`, or the code of an error with its status: `409 invalid_transition`."""
        code = self.body.get("code") if isinstance(self.body, dict) and not self.is_success else ""
        return f"{self.status} {code}".strip()


@dataclass
class Traffic:
    """What all clients of a run have sent: the number of each outcome, and the failures."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)  # the sender, and what is wrong
    _lock: Lock = field(default_factory=Lock)

    def count(self, request: Request, response: Response, sender: str) -> None:
        with self._lock:
            self.outcomes[request.name, response.outcome] += 1
            if response.status == 0 or response.status >= 500:
                self.fail(sender, request, f"the response was {response.outcome}: {response.body}")

    def fail(self, sender: str, request: Request, text: str) -> None:
        said = f"{request.name}, {request.path} {request.body}: {text}"
        self.failures.append((sender, said))


class Client:
    """Sends requests for one organization."""

    def __init__(self, address: str, organization: str, traffic: Traffic) -> None:
        self.address, self.organization, self.traffic = address, organization, traffic
        token = tokens.issue(
            organization_id=organization, subject="user_1", scope="*", lifetime=timedelta(hours=24)
        )
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def send(self, request: Request, sender: str = "") -> Response:
        """Send a command, and count its outcome."""
        headers = self._headers | ({"Idempotency-Key": request.key} if request.key else {})
        response = self._exchange(request.method, request.path, request.body, headers)
        self.traffic.count(request, response, sender)
        return response

    def abort(self, request: Request) -> None:
        """Send a command, and leave without reading the response, as after a timeout."""
        headers = self._headers | ({"Idempotency-Key": request.key} if request.key else {})
        connection = HTTPConnection(self.address, timeout=TIMEOUT)
        connection.request(
            request.method, f"/api/v1{request.path}", json.dumps(request.body), headers
        )
        connection.close()

    def get(self, path: str) -> Any:
        """Return the body of a row or a page, which must exist."""
        response = self._exchange("GET", path, None, self._headers)
        assert response.status == 200, f"GET {path}: {response}"
        return response.body

    def rows(self, path: str) -> list[Any]:
        """Return all rows of a list with their lines, oldest first."""
        resource, _, query = path.partition("?")
        lines = {"/payments": "", "/invoices": "expand=lines"}.get(resource, "expand=items")
        return list(self._pages(f"{resource}?{query}&{lines}"))[::-1]

    def entries(self, path: str) -> list[Any]:
        """Return all entries of a timeline, oldest first."""
        return list(self._pages(path))

    def _pages(self, path: str) -> Iterator[Any]:
        separator = "&" if "?" in path else "?"
        url: str | None = f"{path}{separator}page_size=100"
        while url:
            page = self.get(url)
            yield from page["results"]
            url = page["next"] and page["next"].partition("/api/v1")[2]

    def _exchange(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Response:
        connection = HTTPConnection(self.address, timeout=TIMEOUT)
        try:
            sent = json.dumps(body) if body is not None else None
            connection.request(method, f"/api/v1{path}", sent, headers)
            response = connection.getresponse()
            parsed = json.loads(response.read() or "null", parse_float=Decimal)
            if response.status != 503 or parsed["code"] != "busy":
                return Response(response.status, parsed)
        except (HTTPException, OSError, ValueError) as error:
            return Response(0, repr(error))
        finally:
            connection.close()
        time.sleep(int(response.headers["Retry-After"]))
        return self._exchange(method, path, body, headers)
