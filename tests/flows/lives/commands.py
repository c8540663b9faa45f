"""The commands of the API: when each is chosen, and a request body that fits the state.

A command is allowed if its verb is in the row's `allowed_actions`; one that creates a row, if
there is something to create. The driver also sends commands that are not allowed.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal
from random import Random
from typing import Any

from tests.flows.lives.state import DECIMALS, Row, State

Body = dict[str, Any]
WAREHOUSES = ("wh_1", "wh_2", "wh_3")
REASONS = ("customer_request", "out_of_stock", "fraud", "operator", "other")
CREATING = ("create", "external")  # rows from another one
NO_PAYMENT = {"captured_currency": None, "currency": "USD", "max_refundable": "0"}
CONDITIONS = ("good", "opened", "damaged", "defective", "wrong_item")


@dataclass(frozen=True)
class Command:
    """`weight` is how often it is chosen among the allowed ones; `path` comes after the row's."""

    resource: str
    verb: str
    weight: float
    path: str
    requires_key: bool
    body: Callable[[State, Row, Random], Body]


COMMANDS: dict[tuple[str, str], Command] = {}


def command(
    resource: str, verb: str, *, weight: float, path: str = "", requires_key: bool = False
) -> Callable[[Callable[[State, Row, Random], Body]], Callable[[State, Row, Random], Body]]:
    """Register a command with the function that returns its body."""

    def register(body: Callable[[State, Row, Random], Body]) -> Any:
        COMMANDS[resource, verb] = Command(resource, verb, weight, path or verb, requires_key, body)
        return body

    return register


def allowed(state: State) -> Iterator[tuple[Command, Row]]:
    """Yield the commands that the state allows, each with the row that it is for."""
    for resource in ("orders", "payments", "fulfillments", "shipments", "returns", "invoices"):
        for row in state.rows(resource):
            for verb in row["allowed_actions"]:
                yield COMMANDS[resource, verb], row
    is_refundable = any("refund" in payment["allowed_actions"] for payment in state.payments)
    if is_refundable and state.order["confirmed_at"]:
        yield COMMANDS["orders", "refund"], state.order
    if "cancel" in state.order["allowed_actions"] and state.order["placed_at"]:
        yield COMMANDS["orders", "edit"], state.order
    if state.order["status"] == "placed" and payable(state):
        yield COMMANDS["payments", "create"], state.order
        yield COMMANDS["payments", "external"], state.order
    for fulfillment in state.fulfillments:
        if state.units_to_ship(fulfillment):
            yield COMMANDS["shipments", "create"], fulfillment
    if state.units_to_return():
        yield COMMANDS["returns", "create"], state.order


def possible(state: State) -> list[tuple[Command, Row]]:
    """Return every command with every row that it can be sent to, allowed or not."""
    created_from = {"payments": "orders", "shipments": "fulfillments", "returns": "orders"}
    return [
        (each, row)
        for each in COMMANDS.values()
        for row in state.rows(
            created_from[each.resource] if each.verb in CREATING else each.resource
        )
    ]


def some(dice: Random, units: Counter[str]) -> list[Body]:
    """Return all units of each line, or some units of one line."""
    units = +units
    if units and dice.random() < 0.4:
        item = dice.choice(sorted(units))
        units = Counter({item: dice.randint(1, units[item])})
    return [{"order_item_id": item, "quantity": units[item]} for item in sorted(units)]


def part_of(amount: str, currency: str, dice: Random) -> str:
    """Return a part of an amount, of at least one minor unit."""
    unit = Decimal(1).scaleb(-DECIMALS[currency])
    part = Decimal(amount) * dice.choice((Decimal(1), Decimal("0.5"), Decimal("0.1")))
    return str(max(part.quantize(unit, ROUND_UP), unit))


def parts_of(state: State) -> list[Row]:
    """Return the parts of the order's refunds that have not failed."""
    refunds = [refund for payment in state.payments for refund in payment["refunds"]]
    return [part for each in refunds if each["status"] != "failed" for part in each["parts"]]


def payable(state: State) -> Decimal:
    """Return what is due for the order and no payment is about to capture."""
    open_payments = (
        each for each in state.payments if each["status"] in ("opening", "pending", "authorized")
    )
    expected = sum((Decimal(each["amount"]) for each in open_payments), Decimal(0))
    return max(Decimal(state.order["amount_due"]) - expected, Decimal(0))


def any_line(state: State, dice: Random) -> str:
    return str(dice.choice(state.order["items"])["id"])


# Orders


@command("orders", "place", weight=8)
def place(state: State, order: Row, dice: Random) -> Body:
    return {}


@command("orders", "reservation", weight=1.5)
def reservation(state: State, order: Row, dice: Random) -> Body:
    if dice.random() < 0.05:
        named = {"reservation_id": order["reservation_id"] or "res_none"}
        further = {"reservation_id": "res_further"}
        return {"rejected": True, "reason": "no stock", **dice.choice(({}, named, named, further))}
    allocations = []
    is_partial = dice.random() < (0.3 if order["reservation_id"] else 0.6)
    for line in order["items"]:
        quantity = line["quantity"] - line["cancelled"]
        if order["is_backordered"] and dice.random() < 0.8:  # a further reservation
            quantity = line["backordered"]
        if is_partial:
            quantity = dice.randint(0, quantity)
        part = dice.randint(0, quantity) if dice.random() < 0.4 else quantity
        one, other = dice.sample(WAREHOUSES, 2)
        allocations += [
            {"order_item_id": line["id"], "warehouse_id": warehouse, "quantity": units}
            for warehouse, units in ((one, part), (other, quantity - part))
            if units
        ]
    reservation_id = f"res_{order['id'][-8:]}_{dice.randint(1, 5)}"
    return {"reservation_id": reservation_id, "allocations": allocations}


@command("orders", "cancel", weight=0.15)
def cancel(state: State, order: Row, dice: Random) -> Body:
    return {"reason": dice.choice(REASONS)}


@command("orders", "write-off", weight=0.4)
def write_off(state: State, order: Row, dice: Random) -> Body:
    unshipped = Counter(
        {
            each["id"]: each["quantity"] - each["cancelled"] - each["shipped"]
            for each in order["items"]
        }
    )
    return {"items": some(dice, unshipped), "reason": dice.choice(REASONS)}


@command("orders", "correct", weight=0.3, path="")
def correct(state: State, order: Row, dice: Random) -> Body:
    body: Body = {"customer_email": dice.choice(("ana@example.com", "juan@example.com"))}
    if order["shipping_address"] and dice.random() < 0.5:
        line = f"{dice.randint(1, 9)} Main Street"
        body["shipping_address"] = {**order["shipping_address"], "line1": line}
    return body


@command("orders", "edit", weight=0.25, path="edits")
def edit(state: State, order: Row, dice: Random) -> Body:
    """Return what is previewed, and then committed."""
    items = [
        {"order_item_id": line["id"], "quantity": dice.randint(0, 4)}
        for line in order["items"]
        if dice.random() < 0.5
    ]
    line = order["items"][0]
    copied = ("variant_id", "title", "unit_price", "tax_rate")
    added = {name: line[name] for name in copied if not (name == "tax_rate" and line["taxes"])}
    body: Body = {"items": items}
    if not items or dice.random() < 0.3:
        body["new_items"] = [{**added, "quantity": dice.randint(1, 3)}]
    return body


@command("orders", "hold", weight=0.3)
def hold(state: State, order: Row, dice: Random) -> Body:
    return {"reason": dice.choice(("fraud", "address", "manual")), "note": "to be checked"}


@command("orders", "release", weight=4)
def release(state: State, order: Row, dice: Random) -> Body:
    return {}


@command("orders", "release-units", weight=0.5)
def release_units(state: State, order: Row, dice: Random) -> Body:
    return {}


# Payments


@command("payments", "create", weight=8, requires_key=True)
def pay(state: State, order: Row, dice: Random) -> Body:
    method = dice.choices(("sandbox", "manual"), (4, 1))[0]
    tokens = ("tok_ok", "tok_declined", "tok_slow", "tok_timeout", "tok_wrong_amount", None)
    token = dice.choices(tokens, (12, 4, 1, 1, 1, 1))[0] if method == "sandbox" else None
    body: Body = {"order_id": order["id"], "payment_method": method, "gateway_token": token}
    if dice.random() < 0.3:
        body["amount"] = part_of(str(payable(state)), order["currency"], dice)
    if method == "sandbox" and dice.random() < 0.2:
        body["capture_later"] = True
    return body


@command("payments", "external", weight=2)
def give(state: State, order: Row, dice: Random) -> Body:
    return {
        "order_id": order["id"],
        "amount": part_of(str(payable(state)), order["currency"], dice),
        "provider": "gift_card",
        "reference": f"{order['id']} {dice.randint(1, 5)}",
    }


@command("payments", "void", weight=0.5)
def void(state: State, payment: Row, dice: Random) -> Body:
    return {}


@command("payments", "retry", weight=6, requires_key=True)
def retry(state: State, payment: Row, dice: Random) -> Body:
    return {"gateway_token": dice.choices(("tok_ok", "tok_declined"), (1, 1))[0]}


@command("payments", "capture", weight=6)
def capture(state: State, payment: Row, dice: Random) -> Body:
    body: Body = {"card_last4": dice.choice((None, "4242"))}
    if dice.random() < 0.3:  # a part of it, or more than was asked for
        more = str(Decimal(payment["amount"]) * 2)
        amount = dice.choice((payment["amount"], more))
        body["amount"] = part_of(amount, payment["currency"], dice)
    return body


@command("payments", "apply", weight=3)
def apply(state: State, payment: Row, dice: Random) -> Body:
    return {}


@command("payments", "refund", weight=0.3, path="refunds", requires_key=True)
def refund(state: State, payment: Row, dice: Random) -> Body:
    currency = payment["captured_currency"] or payment["currency"]
    body: Body = {"reason": dice.choice(("operator", "other"))}
    if dice.random() < 0.3:
        return {**body, "amount": part_of(payment["max_refundable"], currency, dice)}
    refunded = Counter[str]()
    for part in parts_of(state):
        refunded[part["order_item_id"]] += part["quantity"]
    lines = {line["id"]: line for line in state.order["items"]}
    left = Counter({item: lines[item]["quantity"] - refunded[item] for item in lines})
    body["items"] = some(dice, left)
    for item in body["items"]:
        if dice.random() < 0.3:  # a part of the price: of the units, or without them
            line = lines[item["order_item_id"]]
            item["amount"] = part_of(line["total"], currency, dice)
            item["quantity"] = dice.choice((0, line["quantity"]))
    shipping = Decimal(state.order["shipping"]["total"])
    if shipping and dice.random() < 0.3:
        body["shipping"] = part_of(str(shipping), currency, dice)
    if dice.random() < 0.1:
        body["goodwill"] = part_of(payment["max_refundable"], currency, dice)
    return body


@command("orders", "refund", weight=0.2, path="refunds", requires_key=True)
def refund_order(state: State, order: Row, dice: Random) -> Body:
    payments = [each for each in state.payments if "refund" in each["allowed_actions"]]
    return refund(state, (payments or state.payments or [NO_PAYMENT])[-1], dice)


@command("payments", "record-refund", weight=3)
def record_refund(state: State, payment: Row, dice: Random) -> Body:
    pending = [each["id"] for each in payment["refunds"] if each["status"] == "pending"]
    return {"refund_id": dice.choice(pending or ["ref_unknown"])}


@command("payments", "withdraw-refund", weight=0.5)
def withdraw_refund(state: State, payment: Row, dice: Random) -> Body:
    return record_refund(state, payment, dice)


# Fulfillments


@command("fulfillments", "start", weight=8)
def start(state: State, fulfillment: Row, dice: Random) -> Body:
    body = {"assigned_to": dice.choice(("picker_1", "picker_2"))}
    return (
        body if fulfillment["warehouse_id"] else {**body, "warehouse_id": dice.choice(WAREHOUSES)}
    )


@command("fulfillments", "pick", weight=12, path="picks")
def pick(state: State, fulfillment: Row, dice: Random) -> Body:
    unpicked = Counter(
        {
            line["order_item_id"]: line["quantity"] - line["picked"] - line["short"]
            for line in fulfillment["items"]
        }
    )
    item = dice.choice(sorted(+unpicked) or sorted(unpicked))
    quantity = max(1, unpicked[item])
    quantity = quantity if dice.random() < 0.7 else dice.randint(1, quantity)
    return {
        "order_item_id": item,
        "quantity": quantity,
        "scan_id": f"scan_{dice.randint(1, 10**6)}",
    }


@command("fulfillments", "short", weight=0.5, path="picks")
def short(state: State, fulfillment: Row, dice: Random) -> Body:
    body = pick(state, fulfillment, dice)
    return {**body, "quantity": 1, "short_reason": "not on the shelf"}


@command("fulfillments", "pack", weight=12)
def pack(state: State, fulfillment: Row, dice: Random) -> Body:
    return {"packages": [{"weight": "2.5"}] * dice.randint(1, 2)}


@command("fulfillments", "move", weight=0.5)
def move(state: State, fulfillment: Row, dice: Random) -> Body:
    units = Counter(
        {each["order_item_id"]: each["quantity"] - each["picked"] for each in fulfillment["items"]}
    )
    return {"warehouse_id": dice.choice(WAREHOUSES), "items": some(dice, units)}


@command("fulfillments", "write-off", weight=2)
def write_off_short(state: State, fulfillment: Row, dice: Random) -> Body:
    units = Counter({each["order_item_id"]: each["short"] for each in fulfillment["items"]})
    return {"items": some(dice, units)}


@command("fulfillments", "unpack", weight=0.5)
def unpack(state: State, fulfillment: Row, dice: Random) -> Body:
    return {}


# Shipments


@command("shipments", "create", weight=8)
def create_shipment(state: State, fulfillment: Row, dice: Random) -> Body:
    body: Body = {"fulfillment_id": fulfillment["id"]}
    if not state.order["shipping"]["carrier"] or dice.random() < 0.5:
        services = ("Ground", "Express", "Timeout", "Refused")
        service = dice.choices(services, (8, 2, 1, 1))[0]
        body |= {"carrier": dice.choice(("FedEx", "DHL", "manual")), "service": service}
    if dice.random() < 0.5:
        body["items"] = some(dice, state.units_to_ship(fulfillment))
    return body


@command("shipments", "label", weight=8)
def label(state: State, shipment: Row, dice: Random) -> Body:
    if shipment["adapter"] != "manual":
        return {}
    number = f"N{shipment['id'][-12:]}"
    numbers = [f"{number}-{n}" for n in range(dice.randint(1, 3))]
    return dice.choice(({"tracking_number": number}, {"tracking_numbers": numbers}))


@command("shipments", "dispatch", weight=8)
def dispatch(state: State, shipment: Row, dice: Random) -> Body:
    day = datetime.now(UTC).date() + timedelta(days=dice.randint(1, 5))
    return dice.choice(({}, {"estimated_delivery": day.isoformat()}))


@command("shipments", "scan", weight=3, path="scans")
def scan(state: State, shipment: Row, dice: Random) -> Body:
    statuses = ("in_transit", "exception", "delivered", "lost", "returned_to_sender")
    body: Body = {"status": dice.choices(statuses, (10, 2, 3, 1, 1))[0], "location": "Memphis, TN"}
    if dice.random() < 0.8 and len(shipment["tracking_numbers"]) > 1:
        body["tracking_number"] = dice.choice(shipment["tracking_numbers"])
    if dice.random() < 0.7:
        body["scan_id"] = f"scan_{dice.randint(1, 20)}"
    if dice.random() < 0.5:
        ago = dice.choice((0, 0, 2, 60, 24 * 60))
        body["occurred_at"] = (datetime.now(UTC) - timedelta(minutes=ago)).isoformat()
    return body


@command("shipments", "deliver", weight=8)
def deliver(state: State, shipment: Row, dice: Random) -> Body:
    return dice.choice(({}, {"recipient": "Juan Pérez", "signature": "J. P."}))


@command("shipments", "cancel", weight=0.3)
def cancel_shipment(state: State, shipment: Row, dice: Random) -> Body:
    return {}


@command("shipments", "revoke-links", weight=0.2)
def revoke_label_links(state: State, shipment: Row, dice: Random) -> Body:
    return {}


# Returns


@command("returns", "create", weight=2)
def request_return(state: State, order: Row, dice: Random) -> Body:
    items = some(dice, state.units_to_return()) or [
        {"order_item_id": any_line(state, dice), "quantity": 1}
    ]
    return {"order_id": order["id"], "reason": "wrong_size", "items": items}


@command("returns", "approve", weight=8)
def approve(state: State, found: Row, dice: Random) -> Body:
    amount = {"refund_amount": part_of(found["value"], found["currency"], dice)}
    return dice.choice(({}, {}, amount))


@command("returns", "reject", weight=0.5)
def reject(state: State, found: Row, dice: Random) -> Body:
    return {"note": "It was used."}


@command("returns", "cancel", weight=0.5)
def cancel_return(state: State, found: Row, dice: Random) -> Body:
    return {"note": "The customer keeps it."}


@command("returns", "receive", weight=8, requires_key=True)
def receive(state: State, found: Row, dice: Random) -> Body:
    units = Counter(
        {line["order_item_id"]: line["quantity"] - line["received"] for line in found["items"]}
    )
    items = [
        {**item, "condition": dice.choice(CONDITIONS), "accepted": dice.random() < 0.8}
        for item in some(dice, units)
    ]
    return {"warehouse_id": dice.choice(WAREHOUSES), "items": items}


@command("returns", "refund", weight=8, requires_key=True)
def refund_return(state: State, found: Row, dice: Random) -> Body:
    method = dice.choices(("original_payment", "store_credit", "manual"), (8, 1, 1))[0]
    body = {"refund_method": method}
    if dice.random() < 0.4:
        body["amount"] = part_of(found["max_refundable"], found["currency"], dice)
    return body


@command("returns", "close", weight=1, requires_key=True)
def close_return(state: State, found: Row, dice: Random) -> Body:
    return {"note": "A voucher instead.", "forgo_refund": dice.random() < 0.8}


# Invoices


@command("invoices", "send", weight=0.2)
def send_invoice(state: State, invoice: Row, dice: Random) -> Body:
    return dice.choice(({}, {"recipient_email": "accounts@example.com"}))


@command("invoices", "reissue", weight=0.3)
def reissue_invoice(state: State, invoice: Row, dice: Random) -> Body:
    buyer = {
        "name": dice.choice(("Ana", "Zoë")),
        "line1": "1 Main St",
        "city": "X",
        "country": "US",
    }
    return {"buyer": buyer, "customer_email": dice.choice((None, "accounts@example.com"))}


@command("invoices", "revoke-links", weight=0.2)
def revoke_invoice_links(state: State, invoice: Row, dice: Random) -> Body:
    return {}
