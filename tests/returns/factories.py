"""Returns in every state, reached through the services."""

from decimal import Decimal
from typing import Any

import factory

from config.core.unit_of_work import unit_of_work
from orders.models import Order
from payments import selectors as payment_selectors
from payments.gateways import RefundResult
from payments.models import Payment, Refund
from payments.services import gateway, refunds
from payments.services.gateway_results import apply_refund_result
from returns import selectors
from returns import services as returns
from returns.models import Return
from tests.factories import LineFactory, OrderFactory, order_of
from tests.reacting import run_of

SEVEN = {  # for 46.67, so that the units have different prices
    "items": [LineFactory(quantity=7, unit_price=Decimal("10.00"))],
    "discount": {"amount": Decimal("23.33")},
    "status": "delivered",
}


class ReturnFactory(factory.Factory):
    """A return of both units of an order of 50.00; `status` is reached step by step."""

    class Meta:
        model = Return

    organization_id = "org_1"
    status = "requested"

    @classmethod
    def _create(cls, model: type[Return], *, status: str, **fields: Any) -> Return:
        return_request = request(OrderFactory(status="delivered", **fields))
        for step in WAYS[status]:
            step(return_request)
        return selectors.get(return_request.id)


def returns_of_one_order(count: int) -> list[Return]:
    """Return returns with one unit each."""
    order = order_of(count, status="delivered") if count else None
    return [request(order, 1) for _ in range(count)]


def return_in_parcels(count: int) -> Return:
    """Return a return with one receipt per line."""
    row = ReturnFactory(items=[LineFactory() for _ in range(count)], status="approved")
    for n in range(count):
        receive(row, *[0] * n, 2)
    return selectors.get(row.id)


def request(order: Order, *quantities: int, **given: Any) -> Return:
    """Request to return these quantities of the lines, or all units."""
    counts = quantities or [line.quantity for line in order.lines]
    items = [
        {"order_item_id": line.id, "quantity": quantity, "reason": None}
        for line, quantity in zip(order.lines, counts, strict=False)
        if quantity
    ]
    given = {"reason": "wrong_size", **given}
    return returns.request_return(order_id=order.id, items=items, **given)


def approve(return_request: Return, **given: Any) -> Return:
    return returns.approve_return(return_id=return_request.id, **given)


def receive(return_request: Return, *quantities: int, **given: Any) -> Return:
    """Receive these quantities of the lines, or all outstanding units."""
    lines = selectors.get(return_request.id).lines
    counts = quantities or [line.outstanding_quantity for line in lines]
    items = [
        {
            "order_item_id": line.order_item_id,
            "quantity": quantity,
            "condition": "good",
            "accepted": True,
            **given,
        }
        for line, quantity in zip(lines, counts, strict=False)
        if quantity
    ]
    return returns.receive_return(return_id=return_request.id, warehouse_id="wh_101", items=items)


def refund(return_request: Return, amount: Any = None, **given: Any) -> Return:
    """Request a refund, and run the reactions of payments."""
    amount = None if amount is None else Decimal(amount)
    return_request = returns.refund_return(return_id=return_request.id, amount=amount, **given)
    run_of("payments", return_request.order_id)
    return return_request


def pay_out(return_request: Return) -> Return:
    """Complete the requested refunds, and run the reactions."""
    order_id = return_request.order_id
    run_of("payments", order_id)
    for payment in payment_selectors.of_order(order_id):
        gateway.call_gateway(payment_id=payment.id)
        for pending in Payment.objects.get(pk=payment.pk).pending_refunds(by_hand=True):
            refunds.record_refund(payment_id=payment.id, refund_id=pending.id)
    run_of("returns", order_id)
    return selectors.get(return_request.id)


@unit_of_work()
def fail_refund(return_request: Return, refund_id: str | None = None) -> None:
    """The gateway reports a refund as failed, or as bounced after it succeeded."""
    rows = Refund.objects.filter(cause=return_request.id)
    row = rows.get(pk=refund_id) if refund_id else rows.get()
    payment = payment_selectors.get_for_update(row.payment_id)
    message = "The card expired."
    result = RefundResult(state="failed", error_code="expired_card", error_message=message)
    apply_refund_result(
        payment, payment_selectors.find_refund(payment, row.id), result, now=row.requested_at
    )
    payment.save()


def amounts(return_request: Return) -> tuple[str, Decimal, Decimal]:
    """Return the status now, with the pending and the refunded amount."""
    row = selectors.get(return_request.id)
    return row.status, row.pending_amount, row.refunded_amount


def close(return_request: Return, note: str = "It was worn.") -> Return:
    return returns.close_return(return_id=return_request.id, note=note, waive_refund=True)


WAYS: dict[str, list[Any]] = {
    "requested": [],
    "approved": [approve],
    "received": [approve, receive],
    "refunded": [approve, receive, refund, pay_out],
    "rejected": [lambda row: returns.reject_return(return_id=row.id)],
    "cancelled": [approve, lambda row: returns.cancel_return(return_id=row.id)],
    "closed": [approve, receive, close],
}
