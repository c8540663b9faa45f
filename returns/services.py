"""Request, approve, receive and refund returns: one function per verb."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, TypedDict

from django.core.exceptions import ObjectDoesNotExist
from django.utils import timezone

import orders.selectors
import payments.selectors
import shipments.selectors
from config.core import request_context
from config.core.clock import local
from config.core.numbering import take_number
from config.core.unit_of_work import unit_of_work
from returns import selectors
from returns.events import RETURNED_TO_SENDER
from returns.exceptions import ReturnWindowClosed
from returns.models import Return, ReturnItem
from returns.models.parts import ReceivedUnits

if TYPE_CHECKING:
    from orders.models import Order

Status = Return.Status


class RequestedUnits(TypedDict):
    """Units of one order line to return; `reason` overrides the return's."""

    order_item_id: str
    quantity: int
    reason: str | None


@unit_of_work()
def request_return(
    *,
    order_id: str,
    reason: str,
    items: Sequence[RequestedUnits],
    override_reason: str = "",
) -> Return:
    """Request to return delivered units, at most one item per order line.

    An `override_reason` skips the check of the return window. Raises UnknownOrderItem,
    TooManyUnits, ReturnWindowClosed.
    """
    order, now = orders.selectors.get_for_update(order_id), timezone.now()
    reserved = selectors.reserved_unit_numbers(order)
    lines = []
    for position, item in enumerate(items, 1):
        line, quantity = order.quantities.line(item["order_item_id"]), item["quantity"]
        line.expect_available(quantity, line.delivered - len(reserved[line.id]))
        numbers = (n for n in range(1, line.quantity + 1) if n not in reserved[line.id])
        unit_numbers = [next(numbers) for _ in range(quantity)]
        lines.append(
            ReturnItem(
                order_item=line,
                position=position,
                variant_id=line.variant_id,
                title=line.title,
                quantity=quantity,
                reason=item["reason"],
                unit_numbers=unit_numbers,
                value=line.paid_for(unit_numbers),
            )
        )
    if not override_reason:
        _expect_open_window(order, (line.order_item_id for line in lines), now)
    return_request = Return.request(
        order=order,
        reason=reason,
        override_reason=override_reason,
        lines=lines,
        at=now,
        rma_number=_rma_number(order, now),
    )
    return_request.save(force_insert=True)
    return return_request


@unit_of_work()
def expect_parcel(*, shipment_id: str) -> Return:
    """Open the return of a parcel that comes back undelivered, and expect its units.

    They are no delivered units: the return window and the returned quantities do not apply.
    """
    shipment = shipments.selectors.get(shipment_id)
    order, now = orders.selectors.get_for_update(shipment.order_id), request_context.now()
    lines = [
        ReturnItem(
            order_item_id=item.order_item_id,
            position=position,
            variant_id=item.variant_id,
            title=item.title,
            quantity=item.quantity,
            unit_numbers=[],
            value=Decimal(0),
        )
        for position, item in enumerate(shipment.lines, 1)
    ]
    return_request = Return.request(
        order=order,
        reason=RETURNED_TO_SENDER,
        lines=lines,
        at=now,
        shipment_id=shipment.id,
        counts_as_lost=shipment.was_lost,
        rma_number=_rma_number(order, now),
    )
    return_request.expect_parcel(at=now)
    return_request.save(force_insert=True)
    return return_request


@unit_of_work()
def cancel_delivered_parcel(*, shipment_id: str) -> None:
    """Cancel the return of a parcel that did not come back, if it has not ended."""
    for found in Return.objects.filter(shipment=shipment_id, ended_at=None):
        return_request = selectors.get_for_update(found.id)
        return_request.cancel_delivered(at=request_context.now())
        return_request.save()


@unit_of_work()
def approve_return(
    *,
    return_id: str,
    refund_amount: Decimal | None = None,
    return_shipping_label_url: str | None = None,
    return_shipping_cost: Decimal = Decimal(0),
    note: str = "",
) -> Return:
    """Approve a return on the organization's terms. `refund_amount` lowers the maximum refund.

    Raises RefundExceedsReturn, InexactAmount, InvalidTransition.
    """
    return_request = selectors.get_for_update(return_id)
    if return_request.is_approved_as(
        refund_amount=refund_amount,
        return_shipping_label_url=return_shipping_label_url,
        return_shipping_cost=return_shipping_cost,
        note=note,
    ):
        return return_request
    terms = selectors.terms(return_request.organization_id)
    return_request.approve(
        restocking_fee=terms.restocking_fee,
        postage_paid_by=terms.postage_paid_by,
        refund_amount=refund_amount,
        return_shipping_label_url=return_shipping_label_url,
        return_shipping_cost=return_shipping_cost,
        note=note,
        at=timezone.now(),
    )
    return_request.save()
    return return_request


@unit_of_work()
def reject_return(*, return_id: str, note: str = "") -> Return:
    """Reject a requested return. Raises InvalidTransition."""
    return_request = selectors.get_for_update(return_id)
    if not return_request.has_ended_as(Status.REJECTED, note=note):
        return_request.reject(note=note, at=timezone.now())
        return_request.save()
    return return_request


@unit_of_work()
def cancel_return(*, return_id: str, note: str = "") -> Return:
    """Cancel a return without receipts. Raises InvalidTransition."""
    return_request = selectors.get_for_update(return_id)
    if not return_request.has_ended_as(Status.CANCELLED, note=note):
        return_request.cancel(note=note, at=timezone.now())
        return_request.save()
    return return_request


@unit_of_work()
def receive_return(*, return_id: str, warehouse_id: str, items: Sequence[ReceivedUnits]) -> Return:
    """Record received units. Each call is a new receipt.

    Raises NotInReturn, TooManyUnits, InvalidTransition.
    """
    return_request = selectors.get_for_update(return_id)
    return_request.receive(warehouse_id=warehouse_id, items=items, at=timezone.now())
    return_request.save()
    return return_request


@unit_of_work()
def close_return(*, return_id: str, note: str = "", waive_refund: bool = False) -> Return:
    """Close a return: expect no more units or, if it is received, refund no more.

    Without `waive_refund`, a second call cannot waive the refund of what the first one cut short.
    Raises RefundOutstanding, InvalidTransition.
    """
    return_request = selectors.get_to_refund(return_id)
    if not return_request.has_ended_as(Status.CLOSED, Status.REFUNDED, note=note):
        return_request.close(note=note, waive_refund=waive_refund, at=timezone.now())
        return_request.save()
    return return_request


@unit_of_work()
def refund_return(
    *,
    return_id: str,
    amount: Decimal | None = None,
    refund_method: str = Return.Method.ORIGINAL_PAYMENT,
    may_exceed: bool = False,
) -> Return:
    """Request a refund. `amount` defaults to the maximum.

    With `may_exceed`, the amount may exceed the approved one. Raises RefundExceedsReturn,
    InexactAmount, InvalidTransition.
    """
    return_request = selectors.get_to_refund(return_id)
    if return_request.is_refunding(amount, refund_method):
        return return_request
    if may_exceed and amount is not None and amount > return_request.max_refund:
        return_request.refund_more(amount=amount, method=refund_method)
    else:
        return_request.refund(amount=amount, method=refund_method)
    return_request.save()
    return return_request


@unit_of_work()
def settle_refund(*, return_id: str | None, missing_amount: Decimal = Decimal(0)) -> None:
    """Update a return from its refunds. Ignores refunds that no return has requested.

    `missing_amount` is the part of the request that payments could not refund.
    """
    if return_id is None:
        return
    try:
        return_request = selectors.get_for_update(return_id)
    except ObjectDoesNotExist:
        return
    if return_request.status == Status.RECEIVED:
        refunds = payments.selectors.refunds_caused_by(return_request.id, return_request.order)
        return_request.settle(refunds, missing_amount=missing_amount)
        return_request.save()


def _rma_number(order: "Order", now: datetime) -> str:
    at = local(now, order.time_zone)
    return take_number(organization_id=order.organization_id, series="RMA", at=at)


def _expect_open_window(order: "Order", order_item_ids: Iterable[str], now: datetime) -> None:
    """Raise ReturnWindowClosed after the last day on which a line could be returned."""
    today = local(now, order.time_zone).date()
    days = selectors.terms(order.organization_id).window_days
    delivered_at = orders.selectors.delivered_at(order)
    for order_item_id in order_item_ids:
        delivered = local(delivered_at[order_item_id], order.time_zone).date()
        if not days or (today - delivered).days > days:
            raise ReturnWindowClosed(
                f"{order_item_id} was delivered on {delivered} and could be returned for "
                f"{days} days."
            )
