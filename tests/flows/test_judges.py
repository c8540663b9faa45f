"""Each judge of the random lives finds its fault in an otherwise correct life."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pika
import pytest

from tests.broker.conftest import Message
from tests.consumers.inventory import Level
from tests.flows.lives.evidence import Evidence
from tests.flows.lives.run import JUDGES

SHIPPED = [{"variant_id": "var_1", "quantity": 2, "warehouse_id": "wh_1"}]
PLACED = {"variant_id": "var_1", "quantity": 2, "preferred_warehouse_id": None}
CAME = {"variant_id": "var_1", "quantity": 1, "condition": "good"}
# A life of two units for 30.00, one of them returned; internal events have None for a sequence.
LIFE: list[tuple[str, dict[str, Any]]] = [
    ("order.created", {"order_id": "order_1", "total_amount": 30, "items_count": 2}),
    ("order.placed", {"order_id": "order_1", "items": [PLACED]}),
    ("payment.pending", {"payment_id": "pay_1"}),
    ("payment.succeeded", {"payment_id": "pay_1", "amount": 30}),
    ("order.confirmed", {"order_id": "order_1", "items": SHIPPED}),
    ("invoice.created", {"invoice_id": "inv_1", "total_amount": 30}),
    ("fulfillment.started", {"order_id": "order_1"}),
    ("order.processing", {"order_id": "order_1"}),
    ("fulfillment.item_picked", {"order_id": "order_1"}),
    ("fulfillment.packed", {"order_id": "order_1"}),
    ("shipment.created", {"shipment_id": "ship_1"}),
    ("shipment.dispatched", {"shipment_id": "ship_1"}),
    ("order.shipped", {"shipment_id": "ship_1", "shipped_items": SHIPPED}),
    ("shipment.delivered", {"shipment_id": "ship_1"}),
    ("order.delivered", {"order_id": "order_1"}),
    ("return.requested", {"return_id": "ret_1", "reason": "wrong_size"}),
    ("return.received", {"return_id": "ret_1", "warehouse_id": "wh_1", "returned_items": [CAME]}),
    ("refund.requested", {"refund_id": "ref_1", "cause": "ret_1"}),
    (
        "payment.refunded",
        {"payment_id": "pay_1", "refund_amount": 15, "refund_reason": "customer_return"},
    ),
    ("refund.succeeded", {"refund_id": "ref_1", "cause": "ret_1"}),
    ("return.refunded", {"return_id": "ret_1", "refund_amount": 15}),
]
INTERNAL = ("refund.requested", "refund.succeeded", "order.held", "order.released")
STOCK = {("var_1", "wh_1"): Level(on_hand=-1)}
LINE = {"order_item_id": "item_1", "variant_id": "var_1", "quantity": 2}
RATE = {"name": None, "tax_rate": "0", "exemption": None, "note": None, "tax": "0.00"}
ROWS: dict[str, list[Any]] = {
    "orders": [
        {
            "id": "order_1",
            "organization_id": "org_1",
            "status": "delivered",
            "currency": "USD",
            "tax_inclusive": False,
            "subtotal": "25.00",
            "tax": "1.00",
            "total": "30.00",
            "shipping": {
                "carrier": "FedEx",
                "service": "Ground",
                "cost": "9.00",
                "discount": {"amount": "0.00"},
                "total": "9.00",
            },
            "discount": {"amount": "5.00"},
            "confirmed_at": "2025-11-23T15:00:00Z",
            "payment_id": "pay_1",
            "items": [
                LINE
                | {"id": "item_1", "cancelled": 0, "backordered": 0, "total": "21.00"}
                | {"shipped": 2, "delivered": 2, "returned": 1}
            ],
        }
    ],
    "payments": [
        {
            "id": "pay_1",
            "order_id": "order_1",
            "status": "succeeded",
            "payment_method": "sandbox",
            "captured": "30.00",
            "is_mismatched": False,
            "refunded": "15.00",
            "refunding": "0.00",
            "waived": "0.00",
            "surplus_of": None,
            "moved_from": None,
            "max_refundable": "15.00",
            "refunds": [
                {
                    "id": "ref_1",
                    "status": "succeeded",
                    "amount": "15.00",
                    "method": "original_payment",
                    "cause": "ret_1",
                    "moved_to": None,
                    "parts": [
                        {
                            "kind": "item",
                            "order_item_id": "item_1",
                            "quantity": 1,
                            "amount": "15.00",
                        }
                    ],
                }
            ],
        }
    ],
    "fulfillments": [
        {
            "id": "ful_1",
            "order_id": "order_1",
            "status": "packed",
            "items": [LINE | {"picked": 2, "lost": 0}],
        }
    ],
    "shipments": [
        {
            "id": "ship_1",
            "order_id": "order_1",
            "fulfillment_id": "ful_1",
            "status": "delivered",
            "on_hold": False,
            "items": [LINE],
            "label": {"status": "bought"},
        }
    ],
    "returns": [
        {
            "id": "ret_1",
            "order_id": "order_1",
            "shipment_id": None,
            "refunded": "15.00",
            "approved_amount": "15.00",
        }
    ],
    "invoices": [
        {
            "id": "inv_1",
            "order_id": "order_1",
            "number": "INV-1",
            "replaced_by": None,
            "total": "30.00",
            "rates": [RATE | {"net": "30.00"}],
            "credit_notes": [
                {
                    "refund_id": "ref_1",
                    "number": "CN-1",
                    "total": "15.00",
                    "lines": [{"kind": "item", "line": 1, "total": "15.00"}],
                    "rates": [RATE | {"net": "15.00"}],
                }
            ],
            "deliveries": [{"status": "sent"}],
        }
    ],
}


class Case:
    """The life, its messages and its rows, which a test damages."""

    def __init__(self) -> None:
        self.life, self.rows = deepcopy(LIFE), deepcopy(ROWS)
        self.order, self.payment = self.rows["orders"][0], self.rows["payments"][0]
        self.damage_messages: Callable[[list[Message]], object] = lambda messages: None

    def index(self, name: str) -> int:
        return [each for each, _ in self.life].index(name)

    def move(self, name: str, to: int) -> None:
        self.life.insert(to, self.life.pop(self.index(name)))

    def data(self, name: str) -> dict[str, Any]:
        return self.life[self.index(name)][1]

    def remove(self, name: str) -> None:
        self.life.pop(self.index(name))

    def evidence(self) -> Evidence:
        timeline, messages = [], []
        for name, data in self.life:
            sequence = None if name in INTERNAL else len(messages) + 1
            envelope = {"event": name, "organization_id": "org_1", "data": data}
            entry = {"id": f"evt_{name}_{sequence}", "stream": "order_1", "sequence": sequence}
            timeline.append(entry | {"envelope": envelope})
            if sequence:
                messages.append(message(entry["id"], sequence, envelope))
        self.damage_messages(messages)
        feed = [entry for entry in timeline if entry["sequence"]]
        return Evidence(
            messages, self.rows | {"events": feed}, {"order_1": timeline}, set(), {"order_1": STOCK}
        )

    def findings(self) -> set[str]:
        evidence = self.evidence()
        judges = [judge for module in JUDGES for judge in module.JUDGES]
        return {judge.__name__ for judge in judges if list(judge(evidence))}


def message(event_id: str, sequence: int, envelope: dict[str, Any]) -> Message:
    properties = pika.BasicProperties(
        message_id=event_id,
        type=envelope["event"],
        headers={"x-stream": "order_1", "x-sequence": sequence},
    )
    return Message(f"order.{envelope['event']}", properties, json.dumps(envelope).encode())


@pytest.fixture
def case() -> Case:
    return Case()


def test_a_correct_life_has_no_findings(case):
    assert case.findings() == set()


def test_a_message_is_missing(case):
    case.damage_messages = lambda messages: messages.pop(6)
    assert case.findings() >= {"sequences_have_no_gap", "recorded_events_are_published"}


def test_the_last_message_is_missing(case):
    case.damage_messages = lambda messages: messages.pop()
    assert {"recorded_events_are_published", "the_feed_has_what_was_received"} <= case.findings()


def test_messages_arrive_out_of_order(case):
    case.damage_messages = lambda messages: messages.insert(2, messages.pop(8))
    assert case.findings() == {"messages_arrive_in_order"}


def test_a_duplicate_may_come_late_and_must_be_identical(case):
    case.damage_messages = lambda messages: messages.append(messages[3])
    assert case.findings() == set()
    other = message("evt_other", 4, {"event": "payment.succeeded"})
    case.damage_messages = lambda messages: messages.append(other)
    assert "duplicates_are_identical" in case.findings()


@pytest.mark.parametrize(
    ("effect", "cause"),
    [
        ("order.shipped", "shipment.dispatched"),
        ("order.delivered", "shipment.delivered"),
        ("order.processing", "fulfillment.started"),
        ("order.confirmed", "payment.succeeded"),
        ("shipment.created", "fulfillment.packed"),
        ("return.refunded", "payment.refunded"),
    ],
)
def test_an_event_between_a_cause_and_its_effect(case, effect, cause):
    scan = ("shipment.label_created", {"shipment_id": "ship_1"})
    case.life.insert(case.index(cause) + 1, scan)
    assert "causes_have_their_effects" in case.findings()


def test_an_effect_comes_before_its_cause(case):
    case.move("shipment.delivered", case.index("order.shipped"))
    assert "effects_follow_their_causes" in case.findings()


def test_an_effect_without_its_cause(case):
    case.move("order.processing", case.index("fulfillment.packed"))
    assert "effects_directly_follow_their_causes" in case.findings()


def test_an_order_is_not_delivered_after_its_last_unit(case):
    case.remove("order.delivered")
    assert {"causes_have_their_effects", "status_follows_from_the_units"} <= case.findings()


def test_an_effect_is_about_another_shipment(case):
    case.data("order.shipped")["shipment_id"] = "ship_2"
    case.rows["shipments"].append(case.rows["shipments"][0] | {"id": "ship_2", "status": "lost"})
    assert "causes_have_their_effects" in case.findings()


def test_an_effect_is_delayed_where_a_reaction_has_failed(case):
    case.move("order.processing", case.index("fulfillment.packed"))
    evidence = case.evidence()
    evidence.failed_reactions.add("order_1")
    (causality,) = (module for module in JUDGES if module.__name__.endswith("causality"))
    assert not [list(judge(evidence)) for judge in causality.JUDGES if list(judge(evidence))]


def test_something_happens_twice(case):
    case.life.append(("order.delivered", {"order_id": "order_1"}))
    assert "nothing_happens_twice" in case.findings()


def test_something_follows_an_end(case):
    scan = ("shipment.in_transit", {"shipment_id": "ship_1"})
    case.life.append(scan)
    assert case.findings() == {"nothing_follows_an_end"}


def test_something_is_picked_on_hold(case):
    held = case.index("fulfillment.item_picked")
    case.life[held:held] = [("order.held", {}), ("order.released", {})]
    assert case.findings() == set()
    case.life.insert(held + 1, case.life.pop(case.index("fulfillment.item_picked")))
    assert case.findings() == {"nothing_is_picked_on_hold"}


DAMAGES: dict[str, Callable[[Case], Any]] = {
    "order_totals_add_up": lambda case: case.order.update(tax="1.01"),
    "payments_add_up": lambda case: case.payment.update(refunding="0.01"),
    "captures_equal_the_events": lambda case: case.data("payment.succeeded").update(amount=31),
    "refunds_equal_the_events": lambda case: case.data("payment.refunded").update(refund_amount=14),
    "refunds_never_exceed_captures": lambda case: case.data("payment.refunded").update(
        refund_amount=31
    ),
    "revenue_equals_the_books": lambda case: case.payment.update(captured="29.99"),
    "invoices_equal_the_payments": lambda case: case.rows["invoices"][0].update(credit_notes=[]),
    "credit_notes_take_back_what_the_refunds_are_for": lambda case: case.payment["refunds"][0][
        "parts"
    ][0].update(order_item_id="item_2"),
    "returns_equal_their_refunds": lambda case: case.rows["returns"][0].update(refunded="14.99"),
    "cancelled_orders_say_whether_a_refund_is_due": lambda case: case.life.append(
        (
            "order.cancelled",
            {"order_id": "order_1", "refund_required": False, "stock_to_release": []},
        )
    ),
    "cancelled_orders_keep_no_money": lambda case: case.order.update(status="cancelled"),
    "counters_are_in_order": lambda case: case.order["items"][0].update(returned=3),
    "events_about_all_units_name_all_units": lambda case: case.data("order.placed").update(
        items=[]
    ),
    "backordered_units_equal_the_events": lambda case: case.order["items"][0].update(backordered=1),
    "only_reserved_orders_are_confirmed": lambda case: case.order.update(organization_id="org_2"),
    "shipped_units_equal_the_events": lambda case: case.order["items"][0].update(shipped=1),
    "units_are_reopened_when_they_are_lost_or_received": lambda case: case.rows["shipments"][
        0
    ].update(status="lost"),
    "delivered_units_equal_the_events": lambda case: case.order["items"][0].update(delivered=1),
    "returned_units_equal_the_events": lambda case: case.order["items"][0].update(returned=0),
    "written_off_units_equal_the_events": lambda case: case.order["items"][0].update(cancelled=1),
    "every_active_unit_is_in_one_fulfillment": lambda case: case.rows["fulfillments"].clear(),
    "shipments_have_packed_units_once": lambda case: case.rows["fulfillments"][0]["items"][
        0
    ].update(picked=1),
    "status_follows_from_the_units": lambda case: case.order.update(status="shipped"),
    "declines_count_down": lambda case: case.life.insert(
        3, ("payment.failed", {"payment_id": "pay_1", "retries_remaining": 1})
    ),
    "inventory_has_the_true_stock": lambda case: case.data("return.received").update(
        warehouse_id="wh_2"
    ),
    "gateways_have_answered": lambda case: case.payment.update(status="opening"),
}


@pytest.mark.parametrize("judge", DAMAGES)
def test_a_damaged_life_has_a_finding(case, judge):
    DAMAGES[judge](case)
    assert judge in case.findings()


def test_every_judge_is_tested_here():
    judges = {judge.__name__ for module in JUDGES for judge in module.JUDGES}
    others = {
        "sequences_have_no_gap",
        "messages_arrive_in_order",
        "duplicates_are_identical",
        "effects_follow_their_causes",
        "effects_directly_follow_their_causes",
        "causes_have_their_effects",
        "nothing_happens_twice",
        "nothing_follows_an_end",
        "nothing_is_picked_on_hold",
        "recorded_events_are_published",
        "the_feed_has_what_was_received",
    }
    assert judges == others | DAMAGES.keys()
