"""The life of a return on one page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from config.core import request_context
from config.core.money import exact, money
from events.aggregate import transition
from events.schema import Event
from returns import events
from returns.exceptions import NotInReturn, RefundOwed, RefundTooLarge
from returns.models.parts import Receipt, ReceiptItem, ReturnItem
from returns.models.record import ReturnRecord

Items = Sequence[Mapping[str, Any]]  # order_item_id, quantity, condition, accepted each


class Return(ReturnRecord):
    """Units that a customer sends back, and the money for them."""

    created_event = events.ReturnRequested
    Status = ReturnRecord.Status

    def nothing_has_come(self) -> bool:
        """nothing of it has come; what has not come yet can be cut short"""
        return self.received_at is None

    def something_has_come(self) -> bool:
        """some of it has come; cancel it where nothing has"""
        return self.received_at is not None

    def no_refund_is_under_way(self) -> bool:
        """no refund for it is under way"""
        return not self.refunding

    def something_may_be_refunded(self) -> bool:
        """some of what was approved, and has come, is not refunded yet"""
        return self.refundable > 0

    def something_is_worth_more(self) -> bool:
        """some of what has come is not refunded yet"""
        return self.worth > 0

    def something_is_refunded(self) -> bool:
        """some of it is refunded"""
        return bool(self.refunded)

    def nothing_is_refunded(self) -> bool:
        """nothing of it is refunded"""
        return not self.refunded

    @classmethod
    def request(cls, *, lines: Sequence[ReturnItem], **fields: Any) -> "Return":
        """Somebody wants to send units back."""
        value = sum((line.value for line in lines), Decimal(0))
        requested_by = request_context.current().actor
        return_request = cls(value=value, requested_by=requested_by, **fields)
        return_request.lines = list(lines)
        for line in lines:
            line.return_request = return_request
            return_request.save_part(line)
        return_request.record(events.ReturnRequested.of(return_request))
        return return_request

    @transition(
        source=Status.REQUESTED,
        target=Status.APPROVED,
        emits=events.ReturnApproved,
        verb="approve",
    )
    def approve(
        self,
        *,
        restocking_fee: Decimal,
        postage_paid_by: str,
        refund_amount: Decimal | None,
        return_shipping_label_url: str | None,
        return_shipping_cost: Decimal,
        note: str,
        at: datetime,
    ) -> None:
        """The customer may send it, and knows how much comes back at most."""
        self.restocking_fee, self.postage_paid_by = restocking_fee, postage_paid_by
        self.return_shipping_label_url = return_shipping_label_url
        self.return_shipping_cost = exact(return_shipping_cost, self.currency)
        most = self.most(self.value)
        self.approved_amount = most if refund_amount is None else self.fitting(refund_amount, most)
        self.approved_at, self.approved_by = at, request_context.current().actor
        self.approval_note = note

    @transition(
        source=Status.REQUESTED, target=Status.REJECTED, emits=events.ReturnRejected, verb="reject"
    )
    def reject(self, *, note: str, at: datetime) -> None:
        """The customer may not send it."""
        self.end(note, at)

    @transition(
        source=(Status.REQUESTED, Status.APPROVED),
        target=Status.CANCELLED,
        emits=events.ReturnCancelled,
        verb="cancel",
        guards=[nothing_has_come],
    )
    def cancel(self, *, note: str, at: datetime) -> None:
        """It will not be sent after all."""
        self.end(note, at)

    def receive(self, *, items: Items, **receipt: Any) -> None:
        """Units have come, of whose receipt the rest is given."""
        if sum(item["quantity"] for item in items) == self.outstanding:
            self.receive_rest(items=items, **receipt)
        else:
            self.receive_part(items=items, **receipt)

    @transition(source=Status.APPROVED, target=None, emits=events.ReturnReceived, verb="receive")
    def receive_part(self, **receipt: Any) -> Event:
        """Some units have come back, others have not."""
        return self.take(**receipt)

    @transition(
        source=Status.APPROVED, target=Status.RECEIVED, emits=events.ReturnReceived, verb="receive"
    )
    def receive_rest(self, **receipt: Any) -> Event:
        """Every unit has come back."""
        return self.take(**receipt)

    def close(self, *, note: str, forgo_refund: bool, at: datetime) -> None:
        """What has not come will not come; what has come is not refunded, or no more of it."""
        if self.status != self.Status.RECEIVED:
            self.cut_short(note=note)
        elif self.refunded:
            self.close_refunded(note=note, forgo_refund=forgo_refund, at=at)
        else:
            self.close_unrefunded(note=note, forgo_refund=forgo_refund, at=at)

    @transition(
        source=Status.APPROVED,
        target=Status.RECEIVED,
        emits=events.ReturnCutShort,
        verb="close",
        guards=[something_has_come],
    )
    def cut_short(self, *, note: str) -> Event:
        """The rest will not come: what has come is all there is to refund."""
        return events.ReturnCutShort.of(self, note=note)

    @transition(
        source=Status.RECEIVED,
        target=Status.CLOSED,
        emits=events.ReturnClosed,
        verb="close",
        guards=[no_refund_is_under_way, nothing_is_refunded],
    )
    def close_unrefunded(self, *, note: str, forgo_refund: bool, at: datetime) -> None:
        """Nothing is owed for what has come, or somebody says why nothing is given."""
        self.expect_nothing_owed(note, forgo_refund)
        self.end(note, at)

    @transition(
        source=Status.RECEIVED,
        target=Status.REFUNDED,
        emits=events.ReturnRefunded,
        verb="close",
        guards=[no_refund_is_under_way, something_is_refunded],
    )
    def close_refunded(self, *, note: str, forgo_refund: bool, at: datetime) -> None:
        """What could be refunded is all that there will be."""
        self.expect_nothing_owed(note, forgo_refund)
        self.end(note, at)

    @transition(
        source=Status.RECEIVED,
        target=None,
        emits=events.ReturnRefundDue,
        verb="refund",
        guards=[no_refund_is_under_way, something_may_be_refunded],
    )
    def refund(self, *, amount: Decimal | None, method: str, left: Decimal) -> Event:
        """Money goes back for what has come: at most what was approved, less what is deducted."""
        most = min(self.refundable, left)
        return self.ask(most or self.refundable if amount is None else amount, most, method)

    @transition(
        source=Status.RECEIVED,
        target=None,
        emits=events.ReturnRefundDue,
        guards=[no_refund_is_under_way, something_is_worth_more],
    )
    def refund_more(self, *, amount: Decimal, method: str, left: Decimal) -> Event:
        """More goes back than was approved, and no more than was paid for what has come."""
        return self.ask(amount, min(self.worth, left), method)

    @transition(source=Status.RECEIVED, target=Status.REFUNDED, emits=events.ReturnRefunded)
    def complete_refund(self) -> None:
        """All that was asked for has gone back."""

    def settle(self, refunds: Any, *, fell_short: Decimal) -> None:
        """Look at what became of the `refunds` that it has asked for, less what fell short.

        What has failed may be asked for again. What comes back to us once everything was settled
        is paid out by hand, and still counts as refunded.
        """
        if not self.refunding:
            return
        self.asked -= fell_short
        self.due -= fell_short
        self.refunded = refunds.succeeded
        if refunds.succeeded:
            self.refund_method, self.refunded_at = refunds.method, refunds.settled_at
        # Payments may not have heard yet of the latest that was asked for.
        if refunds.pending or refunds.requested != self.asked:
            return
        if self.refunded == self.due > 0:
            self.complete_refund()
        self.due = self.refunded

    def expect_nothing_owed(self, note: str, forgo_refund: bool) -> None:
        """Refuse to give less than is owed unless somebody means it, and says why."""
        if self.refundable and not (note and forgo_refund):
            owed = money(self.refundable, self.currency)
            how = "say in `note` why not" if forgo_refund else "refund it, or forgo the refund"
            raise RefundOwed(f"{owed} {self.currency} can be refunded for {self.id}: {how}.")

    def ask(self, amount: Decimal, most: Decimal, method: str) -> Event:
        """Have payments give this much back. Raises RefundTooLarge, InexactAmount."""
        amount = self.fitting(amount, most)
        self.asked += amount
        self.due += amount
        self.refund_method = method
        return events.ReturnRefundDue.of(self, amount=amount)

    def fitting(self, amount: Decimal, most: Decimal) -> Decimal:
        """Return an amount that is to go back. Raises RefundTooLarge, InexactAmount."""
        asked, most = exact(amount, self.currency), money(most, self.currency)
        if asked > most:
            raise RefundTooLarge(
                f"For {self.id}, {most} {self.currency} can be refunded; {asked} were asked for.",
                max_refundable=str(most),
            )
        return asked

    def take(self, *, items: Items, warehouse_id: str, at: datetime) -> Event:
        """Count what has come. Raises NotInReturn, TooManyUnits."""
        came = Counter[str]()
        for item in items:
            came[item["order_item_id"]] += item["quantity"]
        for item_id, quantity in came.items():
            line = self.line(item_id)
            line.order_item.expect(quantity, at_most=line.outstanding)
        receipt = Receipt(
            return_request=self,
            warehouse_id=warehouse_id,
            received_at=at,
            received_by=request_context.current().actor,
        )
        receipt.contents = []
        for item in items:
            line = self.line(item["order_item_id"])
            line.count(item["quantity"], accepted=item["accepted"])
            self.save_part(line)
            receipt.contents.append(
                ReceiptItem(
                    receipt=receipt,
                    item=line,
                    quantity=item["quantity"],
                    condition=item["condition"],
                    accepted=item["accepted"],
                )
            )
        self.accepted_value = sum((line.accepted_value for line in self.lines), Decimal(0))
        self.received_at = at
        self.save_part(receipt, *receipt.contents)
        return events.ReturnReceived.of(self, receipt)

    def line(self, order_item_id: str) -> ReturnItem:
        """Return the units of one of the order's lines. Raises NotInReturn."""
        for line in self.lines:
            if line.order_item_id == order_item_id:
                return line
        raise NotInReturn(f"Nothing of {order_item_id} is in {self.id}.")
