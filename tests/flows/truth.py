"""What must be true of an order when no reaction is pending."""

import json
from collections import Counter
from typing import Any

from events.models import EventRecord, Reaction
from events.operations.reconcile import unexplained
from fulfillment.models import Fulfillment
from invoices.models import Invoice
from orders import selectors
from orders.models import Dispatch, Order
from payments.models import Payment, Refund
from returns.models import Return
from shipments.models import Shipment
from shipments.selectors import shipped_units
from tests.factories import locked

AGGREGATES: tuple[Any, ...] = (Payment, Fulfillment, Shipment, Return, Invoice)


def expect_consistent(order_id: str) -> None:
    assert not Reaction.objects.filter(stream=order_id).exists()
    order = selectors.get(order_id)
    every_unit_is_in_one_state(order)
    unshipped_units_can_proceed(order)
    no_amount_is_refunded_twice(order)
    quantities_match_the_events(order)
    status_follows_from_events(Order, order)
    for model in AGGREGATES:
        for row in model.objects.filter(order=order_id):
            status_follows_from_events(model, row)


def every_unit_is_in_one_state(order: Any) -> None:
    picked, packed = Counter[str](), Counter[str]()
    planned, travelling = Counter[str](), Counter[str]()
    found = Fulfillment.objects.filter(order=order.id).exclude(status="cancelled")
    for fulfillment in found.prefetch_related("items"):
        for line in fulfillment.lines:
            units = line.picked_quantity - line.lost_quantity
            picked[line.order_item_id] += units
            packed[line.order_item_id] += units if fulfillment.status == "packed" else 0
            planned[line.order_item_id] += line.quantity - line.lost_quantity
    for shipment in Shipment.objects.filter(order=order.id).exclude(status="cancelled"):
        travelling.update(shipment.units)
        for dispatch in Dispatch.objects.filter(shipment_id=shipment.id):
            travelling[dispatch.order_item_id] -= dispatch.reopened_quantity
    for line in order.lines:
        chain = [
            0,
            line.returned,
            line.delivered,
            line.shipped,
            packed[line.id],
            picked[line.id],
            line.quantity - line.cancelled - line.backordered,
        ]
        assert chain == sorted(chain), (line.id, chain)
        assert line.shipped <= travelling[line.id] <= packed[line.id]
        if order.is_fulfillable():
            to_plan = line.active_quantity - line.backordered
            assert planned[line.id] == to_plan, "planned nowhere or twice"


def unshipped_units_can_proceed(order: Any) -> None:
    """If units are still to be shipped, a fulfillment or shipment accepts a command for them."""
    waiting = order.quantities.total("backordered")
    assert not waiting or not order.is_cancelled()
    if order.is_fulfillable() and order.quantities.total("unshipped_quantity") > waiting:
        rows = [
            *Fulfillment.objects.filter(order=order.id, status__in=Fulfillment.UNPACKED),
            *Shipment.objects.filter(order=order.id, status__in=Shipment.OPEN),
        ]
        packed = Fulfillment.objects.filter(order=order.id, status="packed")
        rows += [each for each in packed if each.has_short_units() or has_room(each)]
        assert rows, "no fulfillment or shipment accepts a command"
        assert not order.held_at or "release" in order.allowed_actions()


def has_room(fulfillment: Any) -> bool:
    """Return whether some packed units are in no shipment yet."""
    with locked(fulfillment.order) as order:
        used = shipped_units(order, fulfillment.id)
    return any(line.picked_quantity > used[line.order_item_id] for line in fulfillment.lines)


def no_amount_is_refunded_twice(order: Any) -> None:
    for payment in Payment.objects.filter(order=order.id):
        assert payment.refunded + payment.refunding <= payment.captured
    for row in Return.objects.filter(order=order.id):
        refunds = Refund.objects.filter(cause=row.id).exclude(status="failed")
        assert sum(refund.amount for refund in refunds) <= row.accepted_value
        assert row.accepted_value <= row.value
        came = sum(line.received_quantity for line in row.items.all())
        assert row.status != "refunded" or came


def quantities_match_the_events(order: Any) -> None:
    counted = {name: Counter[str]() for name in ("shipped", "cancelled", "returned")}
    of_variant = {line.variant_id: line.id for line in order.lines}
    for name, data in events_of(order.id, stream=order.id):
        match name:
            case "order.shipped":
                for item in data["shipped_items"]:
                    counted["shipped"][of_variant[item["variant_id"]]] += item["quantity"]
            case "order.units_reopened":
                counted["shipped"].subtract(units(data))
            case "order.units_recovered":
                counted["shipped"].update(units(data))
            case "order.units_written_off":
                counted["cancelled"].update(units(data))
                counted["cancelled"].update(units({"items": data["backordered"]}))
            case "order.units_returned":
                counted["returned"].update(units(data))
    for line in order.lines:
        for counter, found in counted.items():
            assert getattr(line, counter) == found[line.id], (counter, line.id)


def status_follows_from_events(model: Any, row: Any) -> None:
    """The row's events lead through its transitions to its current status."""
    names = [name for name, _ in events_of(row.pk, stream=row.stream)]
    why = unexplained(model, row.status, names)
    assert why is None, (row.pk, why, names)


def events_of(subject: str, *, stream: str) -> list[tuple[str, dict[str, Any]]]:
    rows = EventRecord.objects.filter(stream=stream, subject=subject).order_by("number")
    return [(row.name, json.loads(row.body)["data"]) for row in rows]


def units(data: dict[str, Any]) -> Counter[str]:
    counts = Counter[str]()
    for item in data["items"]:
        counts[item["order_item_id"]] += item["quantity"]
    return counts
