"""What can be done with returns: one function per verb."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

import orders.selectors
import payments.selectors
from config.core.numbering import next_number
from returns import selectors
from returns.models import Return, ReturnItem, WindowClosed

Status = Return.Status


@transaction.atomic
def request_return(
    *,
    order_id: str,
    reason: str,
    items: Sequence[Mapping[str, Any]],
    override_reason: str = "",
) -> Return:
    """Ask to send delivered units back: order_item_id, quantity and reason each, a line once.

    `override_reason` says why the window does not count. Raises UnknownItem, TooManyUnits,
    WindowClosed.
    """
    order, now = orders.selectors.get_for_update(order_id), timezone.now()
    held = selectors.held(order.id)
    lines = []
    for position, item in enumerate(items, 1):
        line, quantity, taken = order.line(item["order_item_id"]), item["quantity"], set[int]()
        taken |= held.get(line.id, taken)
        line.expect(quantity, at_most=line.delivered - len(taken))
        free = (number for number in range(1, line.quantity + 1) if number not in taken)
        units = [next(free) for _ in range(quantity)]
        lines.append(
            ReturnItem(
                order_item=line,
                position=position,
                variant_id=line.variant_id,
                title=line.title,
                quantity=quantity,
                reason=item["reason"],
                units=units,
                value=line.paid_for(units),
            )
        )
    if not override_reason:
        _expect_open_window(order, lines, now)
    return_request = Return.request(
        organization_id=order.organization_id,
        order_id=order.id,
        currency=order.currency,
        reason=reason,
        override_reason=override_reason,
        requested_at=now,
        lines=lines,
        # From here on, other returns of the organization wait for this one's commit.
        rma_number=next_number(organization_id=order.organization_id, series="RMA", at=now),
    )
    return_request.save(force_insert=True)
    return return_request


@transaction.atomic
def approve_return(
    *,
    return_id: str,
    refund_amount: Decimal | None = None,
    return_shipping_label_url: str | None = None,
    return_shipping_cost: Decimal = Decimal(0),
    note: str = "",
) -> Return:
    """Let the customer send it; `refund_amount` lowers what may go back.

    Raises RefundTooLarge, InexactAmount, InvalidTransition.
    """
    return_request = _lock(return_id)
    said: dict[str, Any] = {
        "refund_amount": refund_amount,
        "return_shipping_label_url": return_shipping_label_url,
        "return_shipping_cost": return_shipping_cost,
        "note": note,
    }
    if return_request.is_approved_as(**said):
        return return_request
    terms = selectors.terms(return_request.organization_id)
    return_request.approve(
        restocking_fee=terms.restocking_fee,
        postage_paid_by=terms.postage_paid_by,
        at=timezone.now(),
        **said,
    )
    return_request.save()
    return return_request


@transaction.atomic
def reject_return(*, return_id: str, note: str = "") -> Return:
    """Do not let the customer send it."""
    return_request = _lock(return_id)
    if not return_request.has_ended_as(Status.REJECTED, note=note):
        return_request.reject(note=note, at=timezone.now())
        return_request.save()
    return return_request


@transaction.atomic
def cancel_return(*, return_id: str, note: str = "") -> Return:
    """Nothing will be sent after all."""
    return_request = _lock(return_id)
    if not return_request.has_ended_as(Status.CANCELLED, note=note):
        return_request.cancel(note=note, at=timezone.now())
        return_request.save()
    return return_request


@transaction.atomic
def receive_return(
    *, return_id: str, warehouse_id: str, items: Sequence[Mapping[str, Any]]
) -> Return:
    """Record what has come: order_item_id, quantity, condition and accepted each.

    Each call is another receipt. Raises NotInReturn, TooManyUnits, InvalidTransition.
    """
    return_request = _lock(return_id)
    return_request.receive(warehouse_id=warehouse_id, items=items, at=timezone.now())
    return_request.save()
    return return_request


@transaction.atomic
def close_return(*, return_id: str, note: str = "", forgo_refund: bool = False) -> Return:
    """Wait for no more of it; or, once all has come, refund no more of it.

    Somebody may have done the first at the same time: whoever means no more than that does not
    `forgo_refund`. Raises RefundOwed, InvalidTransition.
    """
    return_request = _lock(return_id)
    if not return_request.has_ended_as(Status.CLOSED, Status.REFUNDED, note=note):
        return_request.close(note=note, forgo_refund=forgo_refund, at=timezone.now())
        return_request.save()
    return return_request


@transaction.atomic
def refund_return(
    *,
    return_id: str,
    amount: Decimal | None = None,
    refund_method: str = Return.Method.ORIGINAL_PAYMENT,
    may_exceed: bool = False,
) -> Return:
    """Have `amount` given back, or all that may be; above what was approved if it `may_exceed`.

    Raises RefundTooLarge, InexactAmount, InvalidTransition.
    """
    return_request = _lock(return_id)
    if return_request.is_refunding(amount, refund_method):
        return return_request
    left = payments.selectors.refundable(return_request.order_id)
    if may_exceed and amount is not None and amount > return_request.refundable:
        return_request.refund_more(amount=amount, method=refund_method, left=left)
    else:
        return_request.refund(amount=amount, method=refund_method, left=left)
    return_request.save()
    return return_request


@transaction.atomic
def settle_refund(*, return_id: str | None, fell_short: Decimal = Decimal(0)) -> None:
    """Hear that something has become of a refund, if it is a return that has asked for it."""
    if not Return.objects.filter(pk=return_id).exists():
        return
    return_request = _lock(str(return_id))
    if return_request.status == Status.RECEIVED:
        refunds = payments.selectors.caused_by(return_request.id)
        return_request.settle(refunds, fell_short=fell_short)
        return_request.save()


def _lock(return_id: str) -> Return:
    """Return a return of whose order nobody else changes anything until the transaction ends."""
    order_id = Return.objects.values_list("order_id", flat=True).get(pk=return_id)
    orders.selectors.get_for_update(order_id)
    locked: Return = selectors.to_change().select_for_update(no_key=True).get(pk=return_id)
    return locked


def _expect_open_window(order: Any, lines: Sequence[ReturnItem], now: datetime) -> None:
    days = selectors.terms(order.organization_id).window_days
    delivered_at = orders.selectors.delivered_at(order)
    for line in lines:
        delivered = delivered_at[line.order_item_id]
        if (now - delivered) / timedelta(days=1) > days:  # which may be any number
            raise WindowClosed(
                f"{line.order_item_id} was delivered on {delivered:%Y-%m-%d}; it could be sent "
                f"back for {days} days."
            )
