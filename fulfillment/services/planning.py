"""Who sends what: one fulfillment for each warehouse, kept in line with the order."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

import orders.selectors
from fulfillment import selectors
from fulfillment.models import Fulfillment

Units = Mapping[str, int]


@transaction.atomic
def plan_fulfillments(*, order_id: str) -> None:
    """Have each warehouse send what the order's allocation says, unless somebody has begun."""
    order = orders.selectors.get_for_update(order_id)
    fulfillments = selectors.lock_of_order(order_id)
    if not order.is_fulfillable() or any(each.started_at for each in fulfillments):
        return
    wanted: dict[str | None, Counter[str]] = {}
    for line in order.lines:
        for warehouse_id, quantity in line.by_warehouse().items():
            wanted.setdefault(warehouse_id, Counter())[line.id] = quantity
    for fulfillment in fulfillments:
        if fulfillment.status == Fulfillment.Status.OPEN:
            units = wanted.pop(fulfillment.warehouse_id, Counter())
            if more := +(units - fulfillment.units):
                fulfillment.assign(order=order, units=more, reason="reserved")
            if fewer := +(fulfillment.units - units):
                withdraw(fulfillment, fewer, reason="reserved")
            if fulfillment.has_pending_events:
                fulfillment.save()
    for warehouse_id, units in wanted.items():
        Fulfillment.open(order=order, warehouse_id=warehouse_id, units=units).save()


@transaction.atomic
def withdraw_written_off(*, order_id: str) -> None:
    """Where more is planned than the order still has, nobody looks for it any more.

    What is newest, and what nobody has begun, is taken away first.
    """
    order = orders.selectors.get_for_update(order_id)
    fulfillments = selectors.lock_of_order(order_id)
    live = Counter({line.id: line.live for line in order.lines})
    over = selectors.planned(order_id) - live  # a Counter's minus keeps what is above 0
    for fulfillment in sorted(fulfillments, key=_newest_last, reverse=True):
        fewer = Counter(
            {
                line.order_item_id: min(line.quantity - line.picked, over[line.order_item_id])
                for line in fulfillment.lines
            }
        )
        if fulfillment.status != Fulfillment.Status.CANCELLED and (fewer := +fewer):
            withdraw(fulfillment, fewer, reason="written_off")
            fulfillment.save()
            over -= fewer


@transaction.atomic
def cancel_fulfillments(*, order_id: str) -> None:
    """The order is cancelled: whoever was to send something need not."""
    orders.selectors.get_for_update(order_id)
    for fulfillment in selectors.live(order_id):
        fulfillment.cancel(reason="order_cancelled", at=timezone.now())
        fulfillment.save()


@transaction.atomic
def lose_units(*, fulfillment_id: str, shipment_id: str, units: Units) -> None:
    """A shipment with these units is lost or has come back: its warehouse picks them again.

    What of them is written off afterwards nobody looks for any more.
    """
    fulfillment = selectors.lock(fulfillment_id)
    fulfillment.lose(units=units, shipment_id=shipment_id)
    fulfillment.save()
    if fulfillment.order.is_fulfillable():
        assign(fulfillment.order, fulfillment.warehouse_id, units, reason="lost")


def assign(order: Any, warehouse_id: str | None, units: Units, *, reason: str) -> None:
    """Have a warehouse send more units of a locked order."""
    for fulfillment in selectors.live(order.id):
        if fulfillment.warehouse_id == warehouse_id:
            fulfillment.assign(order=order, units=units, reason=reason)
            fulfillment.save()
            return
    Fulfillment.open(order=order, warehouse_id=warehouse_id, units=units).save()


def withdraw(fulfillment: Fulfillment, units: Units, *, reason: str) -> None:
    """Have a warehouse send fewer units; where it has none left, there is nothing to do."""
    fulfillment.withdraw(units=units, reason=reason)
    end_if_empty(fulfillment, reason=reason)


def end_if_empty(fulfillment: Fulfillment, *, reason: str) -> None:
    """Cancel a fulfillment that has no units left and is not packed."""
    if fulfillment.has_nothing() and fulfillment.status in Fulfillment.LIVE:
        fulfillment.cancel(reason=reason, at=timezone.now())


def _newest_last(fulfillment: Fulfillment) -> tuple[bool, str]:
    return fulfillment.status == Fulfillment.Status.OPEN, fulfillment.id
