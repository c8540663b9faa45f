"""What must be true of an order once everybody has heard of everything."""

import json
from collections import Counter
from typing import Any

from events.models import EventRecord, Reaction
from events.operations.reconcile import unexplained
from fulfillment.models import Fulfillment
from invoices.models import Invoice
from orders import selectors
from orders.models import Order
from payments.models import Payment, Refund
from returns.models import Return
from shipments.models import Shipment
from shipments.selectors import shipped_units

AGGREGATES: tuple[Any, ...] = (Payment, Fulfillment, Shipment, Return, Invoice)


def expect_the_truth(order_id: str) -> None:
    assert not Reaction.objects.filter(stream=order_id).exists()
    order = selectors.get(order_id)
    every_unit_is_in_one_place(order)
    somebody_can_go_on(order)
    no_cent_goes_back_twice(order)
    the_counters_are_those_of_the_facts(order)
    every_state_is_explained(Order, order)
    for model in AGGREGATES:
        for row in model.objects.filter(order=order_id):
            every_state_is_explained(model, row)


def every_unit_is_in_one_place(order: Any) -> None:
    picked, packed = Counter[str](), Counter[str]()
    planned, travelling = Counter[str](), Counter[str]()
    found = Fulfillment.objects.filter(order=order.id).exclude(status="cancelled")
    for fulfillment in found.prefetch_related("items"):
        for line in fulfillment.lines:
            units = line.picked_quantity - line.lost_quantity
            picked[line.order_item_id] += units
            packed[line.order_item_id] += units if fulfillment.status == "packed" else 0
            planned[line.order_item_id] += line.quantity - line.lost_quantity
    gone = ["cancelled", "lost", "returned_to_sender"]
    for shipment in Shipment.objects.filter(order=order.id).exclude(status__in=gone):
        travelling.update(shipment.units)
    for line in order.lines:
        chain = [
            0,
            line.returned,
            line.delivered,
            line.shipped,
            packed[line.id],
            picked[line.id],
            line.quantity - line.cancelled,
        ]
        assert chain == sorted(chain), (line.id, chain)
        assert line.shipped <= travelling[line.id] <= packed[line.id]
        if order.is_fulfillable():
            assert planned[line.id] == line.active_quantity, "nobody is to send it, or two are"


def somebody_can_go_on(order: Any) -> None:
    """What is still to be sent is in somebody's hands, who is allowed to do something."""
    if order.is_fulfillable() and any(line.unshipped_quantity for line in order.lines):
        rows = [
            *Fulfillment.objects.filter(order=order.id, status__in=Fulfillment.UNPACKED),
            *Shipment.objects.filter(order=order.id, status__in=Shipment.OPEN),
        ]
        packed = Fulfillment.objects.filter(order=order.id, status="packed")
        rows += [each for each in packed if each.has_short_units() or has_room(each)]
        assert rows, "nobody can do anything"
        assert not order.held_at or "release" in order.allowed_actions()


def has_room(fulfillment: Any) -> bool:
    """Packed units are in no shipment yet."""
    used = shipped_units(fulfillment.id)
    return any(line.picked_quantity > used[line.order_item_id] for line in fulfillment.lines)


def no_cent_goes_back_twice(order: Any) -> None:
    for payment in Payment.objects.filter(order=order.id):
        assert payment.refunded + payment.refunding <= payment.captured
    for row in Return.objects.filter(order=order.id):
        refunds = Refund.objects.filter(cause=row.id).exclude(status="failed")
        assert sum(refund.amount for refund in refunds) <= row.accepted_value
        assert row.accepted_value <= row.value
        came = sum(line.received_quantity for line in row.items.all())
        assert row.status != "refunded" or came


def the_counters_are_those_of_the_facts(order: Any) -> None:
    counted = {name: Counter[str]() for name in ("shipped", "cancelled", "returned")}
    of_variant = {line.variant_id: line.id for line in order.lines}
    for name, data in facts_of(order.id, stream=order.id):
        match name:
            case "order.shipped":
                for item in data["shipped_items"]:
                    counted["shipped"][of_variant[item["variant_id"]]] += item["quantity"]
            case "order.units_reopened":
                counted["shipped"].subtract(units(data))
            case "order.units_written_off":
                counted["cancelled"].update(units(data))
            case "order.units_returned":
                counted["returned"].update(units(data))
    for line in order.lines:
        for counter, found in counted.items():
            assert getattr(line, counter) == found[line.id], (counter, line.id)


def every_state_is_explained(model: Any, row: Any) -> None:
    """Its facts lead from its first state to the one that it is in, by its transitions."""
    names = [name for name, _ in facts_of(row.pk, stream=row.stream)]
    why = unexplained(model, row.status, names)
    assert why is None, (row.pk, why, names)


def facts_of(subject: str, *, stream: str) -> list[tuple[str, dict[str, Any]]]:
    rows = EventRecord.objects.filter(stream=stream, subject=subject).order_by("number")
    return [(row.name, json.loads(row.body)["data"]) for row in rows]


def units(data: dict[str, Any]) -> dict[str, int]:
    return {item["order_item_id"]: item["quantity"] for item in data["items"]}
