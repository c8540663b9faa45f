"""One life: a client of the API that takes an order from its cart as far as chance leads.

All choices come from the seed and the number of the life, so that the same life can be repeated,
as far as concurrent requests and the workers' speed allow.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from typing import Any

from tests.flows.lives.client import Client, Request, Response
from tests.flows.lives.commands import CREATING, Body, Command, allowed, possible
from tests.flows.lives.state import DECIMALS, Row, State

VARIANTS = tuple(f"var_{n}" for n in range(1, 9))
ADDRESS = {"name": "Juan Pérez", "line1": "1 Main Street", "city": "Memphis", "country": "US"}
TAXES: tuple[Body, ...] = (
    {},
    {"tax_rate": "0.16"},
    {"tax_rate": "0.0725"},
    {"taxes": [{"name": "GST", "rate": "0.05"}, {"name": "QST", "rate": "0.09975"}]},
    {"tax_exemption": "export", "tax_note": "Art. 146"},
)
NOTES: Body = {
    "metadata": {"engraving": "Zoë: always", "box": "red"},
    "external_reference": "web-4711",
    "customer_note": "Ring twice.",
    "internal_note": "A regular.",
}
MOST_AT_ONCE = 8
# How likely the driver does what a correct client does not.
NOT_ALLOWED, INVALID, OTHER_TENANT, REPEATED = 0.1, 0.08, 0.03, 0.2


class Life:
    """Every second life sends four to eight commands at once."""

    def __init__(self, number: int, *, seed: int, client: Client, other: Client) -> None:
        self.number, self.client, self.other = number, client, other
        self.name = f"life {number}"
        self.dice = Random(f"{seed}-{number}")
        self.is_crowded = number % 2 == 1
        self.streams: list[str] = []
        self._keys = 0
        self._state: State | None = None  # as long as nothing may have changed

    def live(self) -> None:
        """Open an order, send commands, and in most lives bring it to an end."""
        order = self.buy()
        if order is None:
            return
        self.streams.append(order)
        for _ in range(self.dice.randint(4, 7) if self.is_crowded else self.dice.randint(12, 24)):
            self.step(order)
        if self.dice.random() < 0.7:
            for _ in range(15):
                if not self.proceed(order):
                    break

    # From the cart to the order

    def buy(self) -> str | None:
        """Return the id of a new order, or None if the cart is left behind."""
        if self.dice.random() < 0.2:
            body = {"customer_id": "cust_1", **self._prices(), **self._terms(), **self._notes()}
            body["items"] = [self._line(body["currency"]) for _ in range(self.dice.randint(1, 3))]
            order = self.must("orders create", "/orders", body)
            self.must("orders place", f"/orders/{order['id']}/place", {})
            return str(order["id"])
        cart = self.must("carts create", "/carts", self._owner() | self._prices() | self._notes())
        self.streams.append(cart["id"])
        for _ in range(self.dice.randint(1, 3)):
            path = f"/carts/{cart['id']}/items"
            cart = self.must("carts add_item", path, self._line(cart["currency"]))
        cart = self._change(cart)
        if self.dice.random() < 0.05:
            return None
        checkout = self.request("carts checkout", f"/carts/{cart['id']}/checkout", self._terms())
        repeats = self.dice.randint(4, MOST_AT_ONCE) if self.is_crowded else 1
        (order, *_) = self.repeat_at_once(replace(checkout, key=self.key()), repeats)
        return str(order)

    def _change(self, cart: Row) -> Row:
        """Change a line of a cart, or merge it into another one."""
        item = self.dice.choice(cart["items"])
        match self.dice.randint(1, 8):
            case 1:
                path = f"/carts/{cart['id']}/items/{item['id']}"
                return self.must("carts change_item", path, {"quantity": 2}, method="PATCH")
            case 2 if len(cart["items"]) > 1:
                path = f"/carts/{cart['id']}/items/{item['id']}"
                return self.must("carts remove_item", path, None, method="DELETE")
            case 3 if cart["customer_id"] is None:
                same = {name: cart[name] for name in ("currency", "tax_inclusive")}
                body = {"customer_id": "cust_2", **same}
                into = self.must("carts create", "/carts", body)
                self.streams.append(into["id"])
                return self.must("carts merge", f"/carts/{cart['id']}/merge", {"into": into["id"]})
        return cart

    def _owner(self) -> Body:
        return self.dice.choice(({"customer_id": "cust_1"}, {"session_id": "sess_1"}))

    def _prices(self) -> Body:
        """Return the currency, and whether prices include tax."""
        currency = self.dice.choices(tuple(DECIMALS), (4, 2, 1, 1))[0]
        return {"currency": currency, "tax_inclusive": self.dice.random() < 0.5}

    def _line(self, currency: str) -> Body:
        prices = {
            0: ("1300", "250", "0.5"),
            2: ("12.50", "9.99", "0.01", "4.495"),
            3: ("3.125", "1.001"),
        }
        is_free = self.dice.random() < 0.05
        return {
            "variant_id": self.dice.choice(VARIANTS),
            "title": "A shirt",
            "quantity": self.dice.randint(1, 4),
            "unit_price": "0" if is_free else self.dice.choice(prices[DECIMALS[currency]]),
            **self.dice.choice(TAXES),
            "preferred_warehouse_id": self.dice.choice((None, "wh_1", "wh_1", "wh_2", "wh_3")),
            **self._notes(of_line=True),
        }

    def _notes(self, *, of_line: bool = False) -> Body:
        """Return some metadata, references and notes, or none."""
        given = dict(NOTES) if of_line else {**NOTES, "purchase_order_number": "PO-4500/17"}
        return {name: value for name, value in given.items() if self.dice.random() < 0.2}

    def _terms(self) -> Body:
        terms: Body = {"customer_email": "juan@example.com", "shipping_address": ADDRESS}
        if self.dice.random() < 0.6:
            service = self.dice.choice(("Ground", "Express"))
            terms["shipping"] = {"carrier": "FedEx", "service": service, "cost": "9"}
            terms["shipping"] |= self.dice.choice(TAXES)
            if self.dice.random() < 0.3:
                off = self.dice.choice(("9", "2"))
                terms["shipping"]["discount"] = {"amount": off, "code": "FREE"}
        return terms | (self._notes() if self.dice.random() < 0.2 else {})

    # Commands for the order

    def step(self, order: str) -> None:
        """Send one command, or in every second life several at once."""
        state = self.read(order)
        if not self.is_crowded:
            self.send_and_repeat(self.choose(state))
        elif self.dice.random() < 0.3:
            self.repeat_at_once(self.choose(state), self.dice.randint(4, MOST_AT_ONCE))
        else:
            count = self.dice.randint(4, MOST_AT_ONCE)
            self.at_once([self.choose(state) for _ in range(count)])

    def proceed(self, order: str) -> bool:
        """Send the most usual command that is allowed; return False if there is none left."""
        state = self.read(order)
        waits = state.order["status"] == "paid" or state.order["is_backordered"]

        def urgency(choice: tuple[Command, Row]) -> float:
            return 9 if waits and choice[0].verb == "reservation" else choice[0].weight

        choices = [choice for choice in allowed(state) if urgency(choice) >= 2]
        if not choices:
            return False
        each, row = max(choices, key=urgency)
        self.send(self.build(state, each, row))
        return True

    def choose(self, state: State) -> Request:
        """Return a request: mostly an allowed command, sometimes one that must be refused."""
        choices = list(allowed(state))
        if not choices or self.dice.random() < NOT_ALLOWED:
            each, row = self.dice.choice(possible(state))
        else:
            weights = [each.weight for each, _ in choices]
            each, row = self.dice.choices(choices, weights)[0]
        request = self.build(state, each, row)
        if self.dice.random() < INVALID:
            body = damaged(request.body or {}, self.dice)
            return replace(request, name=f"{request.name} (invalid)", body=body)
        return request

    def build(self, state: State, command: Command, row: Row) -> Request:
        resource, verb = command.resource, command.verb
        path = f"/{resource}/{row['id']}/{command.path}"
        if verb in CREATING:
            path = f"/{resource}" if verb == "create" else f"/{resource}/{verb}"
        body, method = command.body(state, row, self.dice), "POST"
        if verb == "correct":
            path, method = path.rstrip("/"), "PATCH"
        if verb == "edit":
            preview = self.send(self.request("orders edit (preview)", path, body))
            if preview.is_success:
                body |= {"commit": True, "expected_total": preview.body["order"]["total"]}
        request = self.request(f"{resource} {verb}", path, body, method)
        needed = 0.97 if command.requires_key else 0.5
        return replace(request, key=self.key()) if self.dice.random() < needed else request

    def send_and_repeat(self, request: Request) -> None:
        """Send a request, and sometimes once more: after its response, or without waiting for it.

        With an Idempotency-Key, the response to a repeat is that to the first request.
        """
        if self.dice.random() < OTHER_TENANT:
            self.trespass(request)
        if self.dice.random() >= REPEATED:
            self.send(request)
            return
        if self.dice.random() < 0.3:
            self.client.abort(request)
            self._state = None
            self.send(request)
            return
        first, second = self.send(request), self.send(request)
        if request.key and first.is_success and not is_same(first, second):
            self.client.traffic.fail(
                self.name, request, f"repeated with its key: {first.outcome}, then {second.outcome}"
            )
        if request.key and first.is_success and self.dice.random() < 0.3:
            changed = self.send(replace(request, body={**(request.body or {}), "actor": "user_2"}))
            if changed.outcome != "422 idempotency_key_reused":
                self.client.traffic.fail(
                    self.name, request, f"another body with a used key: {changed.outcome}"
                )

    def trespass(self, request: Request) -> None:
        """Send a request for another organization, which must not find the row."""
        request = replace(request, name=f"{request.name} (other tenant)", key=self.key())
        response = self.other.send(request, self.name)
        if response.status not in (400, 404, 422):
            self.client.traffic.fail(
                self.name, request, f"another organization got {response.outcome}"
            )

    def repeat_at_once(self, request: Request, count: int) -> list[str]:
        """Send one request several times at once; return the ids in the successful responses."""
        responses = self.at_once([request] * count)
        ids = [id_of(response) for response in responses if response.is_success]
        if request.key and len(set(ids)) > 1:
            self.client.traffic.fail(self.name, request, f"one key made several rows: {ids}")
        return ids

    def read(self, order: str) -> State:
        """Return the state of the order, which a refused command has not changed.

        Workers may have changed it, so that it is read again sometimes. Once another order replaces
        it, that one is read.
        """
        if self._state is None or self.dice.random() < 0.3:
            self._state = State.read(self.client, order)
            while newer := self._state.order["replaced_by"]:
                if newer not in self.streams:
                    self.streams.append(newer)
                self._state = State.read(self.client, newer)
        return self._state

    def at_once(self, requests: list[Request]) -> list[Response]:
        with ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(self.send, requests))

    def send(self, request: Request) -> Response:
        response = self.client.send(request, self.name)
        if response.is_success or self.is_crowded:
            self._state = None
        return response

    def must(self, name: str, path: str, body: Body | None, method: str = "POST") -> Any:
        """Send a request that must succeed, and return the row."""
        response = self.send(self.request(name, path, body, method))
        assert response.is_success, f"{self.name}: {name}: {response}"
        return response.body

    def request(self, name: str, path: str, body: Body | None, method: str = "POST") -> Request:
        return Request(name, method, path, body)

    def key(self) -> str:
        self._keys += 1
        return f"key-{self.number}-{self._keys}"


def is_same(first: Response, second: Response) -> bool:
    """Return whether two responses name the same row with the same status."""
    return first.status == second.status and id_of(first) == id_of(second)


def id_of(response: Response) -> str:
    """Return the id of the row in a response, or the ids of the refunds of an order."""
    body = response.body
    body = body["order"] if "committed" in body else body
    return str(body["id"] if "id" in body else [refund["id"] for refund in body["refunds"]])


def damaged(body: Body, dice: Random) -> Body:
    """Return a body that no operation accepts."""
    damages: list[Callable[[], Body]] = [
        lambda: {**body, "unknown_field": 1},
        *(lambda name=name: {**body, name: {"a": 1}} for name in body),  # type: ignore[misc]
        *(lambda name=name: {**body, name: "\x00"} for name in body),  # type: ignore[misc]
    ]
    return dice.choice(damages)()
