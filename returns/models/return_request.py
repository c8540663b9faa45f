"""The return: its columns, what it refunds, and its transitions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import models

from config.core import request_context
from config.core.ids import PublicIdField
from config.core.money import CurrencyField, MoneyField, TaxRateField, exact, money
from events.aggregate import Aggregate, PartList, transition
from events.schema import Event
from orders.events import LineUnits, PaidUnits
from returns import events
from returns.deductions import Deductions
from returns.exceptions import NotInReturn, RefundExceedsReturn, RefundOutstanding
from returns.models.constraints import CONSTRAINTS, INDEXES
from returns.models.parts import Receipt, ReceiptItem, ReceivedUnits, ReturnItem
from returns.models.policy import PaidBy

if TYPE_CHECKING:
    from orders.models import Order
    from payments.selectors import RefundTotals


class Return(Aggregate):
    """Units that a customer sends back, and their refund; or a parcel that comes back undelivered.

    The units of a parcel were never delivered, so they have no `unit_numbers` and no value. The
    parcel is expected at once, and the return is closed when all of it is received.
    """

    class Status(models.TextChoices):
        REQUESTED = "requested"
        APPROVED = "approved"
        RECEIVED = "received"
        REFUNDED = "refunded"
        REJECTED = "rejected"
        CANCELLED = "cancelled"
        CLOSED = "closed"

    class Method(models.TextChoices):
        ORIGINAL_PAYMENT = "original_payment"
        STORE_CREDIT = "store_credit"
        MANUAL = "manual"

    created_event = events.ReturnRequested
    terminal_statuses = frozenset(
        {Status.REFUNDED, Status.REJECTED, Status.CANCELLED, Status.CLOSED}
    )
    stream_field = "order_id"
    owner_path = "order__"

    id = PublicIdField("ret")
    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="+")
    shipment = models.OneToOneField(  # the parcel
        "shipments.Shipment", models.PROTECT, null=True, related_name="+"
    )
    rma_number = models.CharField(max_length=20)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.REQUESTED)
    currency = CurrencyField()
    reason = models.CharField(max_length=200)
    override_reason = models.CharField(max_length=500, default="")  # why the window was ignored
    requested_by = models.CharField(max_length=150)
    requested_at = models.DateTimeField()
    value = MoneyField()  # the paid price of all units
    approved_at = models.DateTimeField(null=True)
    approved_by = models.CharField(max_length=150, null=True)
    approved_amount = MoneyField(null=True)  # the maximum refund without the override permission
    approval_note = models.CharField(max_length=500, default="")
    # A copy of the policy at the time of the approval.
    restocking_fee = TaxRateField()
    postage_paid_by = models.CharField(max_length=16, choices=PaidBy.choices, default=PaidBy.SELLER)
    return_shipping_label_url = models.URLField(max_length=1000, null=True)
    return_shipping_cost = MoneyField(default=Decimal(0))
    received_at = models.DateTimeField(null=True)  # the latest receipt
    accepted_value = MoneyField(default=Decimal(0))  # the paid price of the accepted units
    refund_method = models.CharField(max_length=32, choices=Method.choices, null=True)
    requested_amount = MoneyField(default=Decimal(0))  # all refunds requested from payments
    due_amount = MoneyField(default=Decimal(0))  # refunded, plus pending refunds
    refunded_amount = MoneyField(default=Decimal(0))
    refunded_at = models.DateTimeField(null=True)  # the latest refund
    ended_at = models.DateTimeField(null=True)  # rejected, cancelled or closed
    ended_by = models.CharField(max_length=150, null=True)
    ending_note = models.CharField(max_length=500, default="")
    # Of a parcel: its outstanding units are sent again or written off, so a receipt only restocks.
    counts_as_lost = models.BooleanField(default=False)
    # What the order's payments have left, and when the parcel was delivered, if it was;
    # `returns.selectors.with_refundable` loads both.
    refundable: Decimal
    parcel_delivered_at: datetime | None = None
    lines = PartList[ReturnItem]("items", related="order_item__order")  # in the request's order
    all_receipts = PartList[Receipt]("receipts")  # oldest first

    class Meta:
        permissions = [("override_return", "Can refund more than was approved")]
        constraints = CONSTRAINTS
        indexes = INDEXES

    def __str__(self) -> str:
        return self.rma_number

    def line(self, order_item_id: str) -> ReturnItem:
        """Return the item of an order line. Raises NotInReturn."""
        for line in self.lines:
            if line.order_item_id == order_item_id:
                return line
        raise NotInReturn(f"{self.id} has no units of {order_item_id}.")

    @property
    def outstanding_quantity(self) -> int:
        """Units that are not received yet."""
        return sum(line.outstanding_quantity for line in self.lines)

    @property
    def accepted_units(self) -> list[PaidUnits]:
        """The accepted units of each line, with what was paid for them."""
        return [
            PaidUnits(
                order_item_id=line.order_item_id,
                variant_id=line.variant_id,
                quantity=line.accepted_quantity,
                amount=money(line.accepted_value, self.currency),
            )
            for line in self.lines
            if line.accepted_quantity
        ]

    def reserved_unit_numbers(self, line: ReturnItem) -> list[int]:
        """Return the units of a line that no other return may include.

        Until the return is received or ends, these are all its units; then the received ones.
        """
        numbers: list[int] = line.unit_numbers
        is_open = self.status in (self.Status.REQUESTED, self.Status.APPROVED)
        return numbers if is_open else numbers[: line.received_quantity]

    @property
    def pending_amount(self) -> Decimal:
        """Refunds that are requested and not completed."""
        return Decimal(self.due_amount - self.refunded_amount)

    @property
    def deductions(self) -> Deductions:
        """The terms of the approval."""
        is_customer = self.postage_paid_by == PaidBy.CUSTOMER
        return Deductions(
            restocking_fee=self.restocking_fee,
            postage=self.return_shipping_cost if is_customer else Decimal(0),
            currency=self.currency,
        )

    @property
    def max_refund(self) -> Decimal:
        """The amount that can still be requested."""
        if self.status != self.Status.RECEIVED or self.approved_amount is None:
            return Decimal(0)
        maximum = min(self.approved_amount, self.deductions.max_refund(self.accepted_value))
        left: Decimal = min(maximum - self.due_amount, self.refundable)
        return max(left, Decimal(0))

    @property
    def max_refund_with_override(self) -> Decimal:
        """The amount that can still be requested with the override permission."""
        left: Decimal = min(self.accepted_value - self.due_amount, self.refundable)
        return left

    def is_approved_as(
        self,
        *,
        refund_amount: Decimal | None,
        return_shipping_label_url: str | None,
        return_shipping_cost: Decimal,
        note: str,
    ) -> bool:
        """Whether it was already approved with these values."""
        if not self.approved_at or self.status == self.Status.CANCELLED:
            return False
        # The default amount may have been another one: it depends on what was refunded.
        amount = self.approved_amount if refund_amount is None else refund_amount
        return (amount, return_shipping_label_url, return_shipping_cost, note) == (
            self.approved_amount,
            self.return_shipping_label_url,
            self.return_shipping_cost,
            self.approval_note,
        )

    def is_refunding(self, amount: Decimal | None, method: str) -> bool:
        """Whether this refund is pending, or has completed the return."""
        is_done = self.status == self.Status.REFUNDED
        latest = self.refunded_amount if is_done else self.pending_amount
        return bool(latest) and method == self.refund_method and amount in (None, latest)

    def has_ended_as(self, *statuses: str, note: str) -> bool:
        """Whether it was already rejected, cancelled or closed with this note."""
        return bool(self.ended_at) and self.status in statuses and self.ending_note == note

    def is_of_a_parcel(self) -> bool:
        """it is of a parcel that comes back to its sender"""
        return self.shipment_id is not None

    def is_missing_units(self) -> bool:
        """it is of a parcel whose units count as lost, and some of them are not received"""
        return self.counts_as_lost and self.outstanding_quantity > 0

    def parcel_is_not_delivered(self) -> bool:
        """the parcel was not delivered after all"""
        return self.parcel_delivered_at is None

    def nothing_is_received(self) -> bool:
        """no unit is received; close a return that is received in part"""
        return self.received_at is None

    def something_is_received(self) -> bool:
        """at least one unit is received; cancel a return without receipts"""
        return self.received_at is not None

    def no_refund_is_pending(self) -> bool:
        """no refund for it is pending"""
        return not self.pending_amount

    def has_approved_refund_left(self) -> bool:
        """some of the approved amount for received units can still be refunded"""
        return self.max_refund > 0

    def has_value_left(self) -> bool:
        """some of the value of the accepted units can still be refunded"""
        return self.max_refund_with_override > 0

    def something_is_refunded(self) -> bool:
        """some of it is refunded"""
        return bool(self.refunded_amount)

    def nothing_is_refunded(self) -> bool:
        """nothing of it is refunded"""
        return not self.refunded_amount

    @classmethod
    def request(
        cls,
        *,
        order: "Order",
        rma_number: str,
        reason: str,
        lines: Sequence[ReturnItem],
        at: datetime,
        override_reason: str = "",
        shipment_id: str | None = None,
        counts_as_lost: bool = False,
    ) -> "Return":
        """Create a return with its lines."""
        return_request = cls(
            organization_id=order.organization_id,
            order=order,
            shipment_id=shipment_id,
            counts_as_lost=counts_as_lost,
            rma_number=rma_number,
            currency=order.currency,
            reason=reason,
            override_reason=override_reason,
            requested_by=request_context.current().actor,
            requested_at=at,
            value=sum((line.value for line in lines), Decimal(0)),
        )
        return_request.lines = list(lines)
        for line in lines:
            line.return_request = return_request
            return_request.save_part(line)
        items = [events.RequestedItem.of(line) for line in lines]
        return_request.record(events.ReturnRequested.of(return_request, items=items))
        return return_request

    @transition(
        source=Status.REQUESTED,
        target=Status.APPROVED,
        emits=events.ReturnParcelExpected,
        guards=[is_of_a_parcel],
    )
    def expect_parcel(self, *, at: datetime) -> None:
        """Expect the parcel, which needs no approval and is not refunded."""
        self.approved_at, self.approved_by = at, request_context.current().actor
        self.approved_amount = Decimal(0)

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
    ) -> Event:
        """Approve the return. Raises RefundExceedsReturn, InexactAmount."""
        self.restocking_fee, self.postage_paid_by = restocking_fee, postage_paid_by
        self.return_shipping_label_url = return_shipping_label_url
        self.return_shipping_cost = exact(return_shipping_cost, self.currency)
        maximum = min(self.deductions.max_refund(self.value), self.refundable)
        self.approved_amount = (
            maximum if refund_amount is None else self._checked(refund_amount, maximum)
        )
        self.approved_at, self.approved_by = at, request_context.current().actor
        self.approval_note = note
        return events.ReturnApproved.of(self, refund_amount=self.approved_amount)

    @transition(
        source=Status.REQUESTED, target=Status.REJECTED, emits=events.ReturnRejected, verb="reject"
    )
    def reject(self, *, note: str, at: datetime) -> Event:
        """Reject the return: the customer may not send the units back."""
        self._end(note, at)
        return events.ReturnRejected.of(self, rejected_by=self.ended_by, note=note)

    @transition(
        source=(Status.REQUESTED, Status.APPROVED),
        target=Status.CANCELLED,
        emits=events.ReturnCancelled,
        verb="cancel",
        guards=[nothing_is_received],
    )
    def cancel(self, *, note: str, at: datetime) -> Event:
        """Cancel the return: the units do not come back."""
        self._lose_outstanding_units()
        self._end(note, at)
        return events.ReturnCancelled.of(self, note=note)

    @transition(
        source=Status.APPROVED,
        target=Status.CANCELLED,
        emits=events.ReturnCancelled,
        guards=[nothing_is_received],
    )
    def cancel_delivered(self, *, at: datetime) -> Event:
        """Cancel the return of a parcel that was delivered after all."""
        note = "The parcel was delivered."
        self._end(note, at)
        return events.ReturnCancelled.of(self, note=note)

    def receive(self, *, items: Sequence[ReceivedUnits], warehouse_id: str, at: datetime) -> None:
        """Record a receipt of some or all outstanding units. Raises NotInReturn, TooManyUnits."""
        if self.ended_at and self.is_of_a_parcel():
            self.receive_late(items=items, warehouse_id=warehouse_id, at=at)
            return
        is_rest = sum(item["quantity"] for item in items) == self.outstanding_quantity
        receive = self.receive_rest if is_rest else self.receive_part
        receive(items=items, warehouse_id=warehouse_id, at=at)
        if self.is_of_a_parcel():
            if not self.counts_as_lost:
                self._record_parcel(items, warehouse_id)
            if is_rest:
                self.close_unrefunded(note="", waive_refund=False, at=at)

    @transition(
        source=Status.APPROVED,
        target=None,
        emits=events.ReturnReceived,
        verb="receive",
        guards=[parcel_is_not_delivered],
    )
    def receive_part(
        self, *, items: Sequence[ReceivedUnits], warehouse_id: str, at: datetime
    ) -> Event:
        """Receive some of the outstanding units."""
        return self._receive(items, warehouse_id, at)

    @transition(
        source=Status.APPROVED,
        target=Status.RECEIVED,
        emits=events.ReturnReceived,
        verb="receive",
        guards=[parcel_is_not_delivered],
    )
    def receive_rest(
        self, *, items: Sequence[ReceivedUnits], warehouse_id: str, at: datetime
    ) -> Event:
        """Receive all outstanding units."""
        return self._receive(items, warehouse_id, at)

    @transition(
        source=(Status.CANCELLED, Status.CLOSED),
        target=None,
        emits=events.ReturnReceived,
        verb="receive",
        guards=[is_missing_units, parcel_is_not_delivered],
    )
    def receive_late(
        self, *, items: Sequence[ReceivedUnits], warehouse_id: str, at: datetime
    ) -> Event:
        """Receive units of a parcel that were given up: they are only restocked."""
        return self._receive(items, warehouse_id, at)

    def close(self, *, note: str, waive_refund: bool, at: datetime) -> None:
        """Expect no more units; if all are received, refund no more. Raises RefundOutstanding."""
        if self.status != self.Status.RECEIVED:
            self.cut_short(note=note)
            if self.is_of_a_parcel():
                self.close_unrefunded(note=note, waive_refund=False, at=at)
        elif self.refunded_amount:
            self.close_refunded(note=note, waive_refund=waive_refund, at=at)
        else:
            self.close_unrefunded(note=note, waive_refund=waive_refund, at=at)

    @transition(
        source=Status.APPROVED,
        target=Status.RECEIVED,
        emits=events.ReturnCutShort,
        verb="close",
        guards=[something_is_received],
    )
    def cut_short(self, *, note: str) -> Event:
        """Stop waiting for the outstanding units, which will not come."""
        missing = [
            events.RequestedItem.of(line, quantity=line.outstanding_quantity)
            for line in self.lines
            if line.outstanding_quantity
        ]
        return events.ReturnCutShort.of(self, items=missing, note=note)

    @transition(
        source=Status.RECEIVED,
        target=Status.CLOSED,
        emits=events.ReturnClosed,
        verb="close",
        guards=[no_refund_is_pending, nothing_is_refunded],
    )
    def close_unrefunded(self, *, note: str, waive_refund: bool, at: datetime) -> Event:
        """Close the return without a refund. Raises RefundOutstanding."""
        self._expect_no_refund_left(note, waive_refund)
        self._lose_outstanding_units()
        self._end(note, at)
        return events.ReturnClosed.of(self, note=note)

    @transition(
        source=Status.RECEIVED,
        target=Status.REFUNDED,
        emits=events.ReturnRefunded,
        verb="close",
        guards=[no_refund_is_pending, something_is_refunded],
    )
    def close_refunded(self, *, note: str, waive_refund: bool, at: datetime) -> Event:
        """Close the return with what was refunded so far. Raises RefundOutstanding."""
        self._expect_no_refund_left(note, waive_refund)
        self._end(note, at)
        return self._refunded()

    @transition(
        source=Status.RECEIVED,
        target=None,
        emits=events.ReturnRefundDue,
        verb="refund",
        guards=[no_refund_is_pending, has_approved_refund_left],
    )
    def refund(self, *, amount: Decimal | None, method: str) -> Event:
        """Request a refund of at most the approved amount.

        Raises RefundExceedsReturn, InexactAmount.
        """
        maximum = self.max_refund
        return self._request_refund(maximum if amount is None else amount, maximum, method)

    @transition(
        source=Status.RECEIVED,
        target=None,
        emits=events.ReturnRefundDue,
        guards=[no_refund_is_pending, has_value_left],
    )
    def refund_more(self, *, amount: Decimal, method: str) -> Event:
        """Request a refund of at most the value of the accepted units.

        Raises RefundExceedsReturn, InexactAmount.
        """
        return self._request_refund(amount, self.max_refund_with_override, method)

    @transition(source=Status.RECEIVED, target=Status.REFUNDED, emits=events.ReturnRefunded)
    def complete_refund(self) -> Event:
        """Complete the refund: every requested refund has succeeded."""
        return self._refunded()

    def settle(self, refunds: "RefundTotals", *, missing_amount: Decimal) -> None:
        """Take over the state of the requested refunds, less the amount that payments did not have.

        A failed refund can be requested again. If a succeeded refund bounces after the return is
        settled, payments pay it out by hand and it still counts as refunded.
        """
        if not self.pending_amount:
            return
        self.requested_amount -= missing_amount
        self.due_amount -= missing_amount
        self.refunded_amount = refunds.succeeded
        if refunds.succeeded:
            self.refund_method, self.refunded_at = refunds.method, refunds.settled_at
        # Payments may not have reacted yet to the latest request.
        if refunds.pending or refunds.requested != self.requested_amount:
            return
        if self.refunded_amount == self.due_amount > 0:
            self.complete_refund()
        self.due_amount = self.refunded_amount

    def _record_parcel(self, items: Sequence[ReceivedUnits], warehouse_id: str) -> None:
        units, unusable = Counter[str](), Counter[str]()
        for item in items:
            units[item["order_item_id"]] += item["quantity"]
            if item["condition"] not in ReceiptItem.USABLE:
                unusable[item["order_item_id"]] += item["quantity"]
        self.record(
            events.ReturnParcelReceived.of(
                self,
                warehouse_id=warehouse_id,
                items=self._line_units(units),
                unusable=self._line_units(unusable),
            )
        )

    def _line_units(self, units: Mapping[str, int]) -> list[LineUnits]:
        return [LineUnits.of(self.line(item), quantity=units[item]) for item in units]

    def _refunded(self) -> Event:
        return events.ReturnRefunded.of(self, refund_amount=self.refunded_amount)

    def _lose_outstanding_units(self) -> None:
        """Let the units of a parcel that do not come be sent again, or written off."""
        if self.is_of_a_parcel() and self.outstanding_quantity and not self.counts_as_lost:
            missing = {line.order_item_id: line.outstanding_quantity for line in self.lines}
            items = self._line_units(+Counter(missing))
            self.record(events.ReturnParcelMissing.of(self, items=items))
            self.counts_as_lost = True

    def _end(self, note: str, at: datetime) -> None:
        self.ended_at, self.ended_by, self.ending_note = at, request_context.current().actor, note

    def _expect_no_refund_left(self, note: str, waive_refund: bool) -> None:
        if self.max_refund and not (note and waive_refund):
            left = money(self.max_refund, self.currency)
            how = "say in `note` why not" if waive_refund else "refund it, or set `forgo_refund`"
            raise RefundOutstanding(f"{left} {self.currency} can be refunded for {self.id}: {how}.")

    def _request_refund(self, amount: Decimal, maximum: Decimal, method: str) -> Event:
        amount = self._checked(amount, maximum)
        self.requested_amount += amount
        self.due_amount += amount
        self.refund_method = method
        return events.ReturnRefundDue.of(self, amount=amount, lines=self.accepted_units)

    def _checked(self, amount: Decimal, maximum: Decimal) -> Decimal:
        """Return the amount in its currency. Raises RefundExceedsReturn, InexactAmount."""
        amount, maximum = exact(amount, self.currency), money(maximum, self.currency)
        if amount > maximum:
            raise RefundExceedsReturn(
                f"At most {maximum} {self.currency} can be refunded for {self.id}, not {amount}.",
                max_refundable=str(maximum),
            )
        return amount

    def _receive(self, items: Sequence[ReceivedUnits], warehouse_id: str, at: datetime) -> Event:
        quantities = Counter[str]()
        for item in items:
            quantities[item["order_item_id"]] += item["quantity"]
        for order_item_id, quantity in quantities.items():
            line = self.line(order_item_id)
            line.order_item.expect_available(quantity, line.outstanding_quantity)
        receipt = Receipt(
            return_request=self,
            warehouse_id=warehouse_id,
            received_at=at,
            received_by=request_context.current().actor,
        )
        if not self.received_at:
            self.all_receipts = []  # saves a query
        self.all_receipts.append(receipt)
        receipt.contents = []
        for item in items:
            line = self.line(item["order_item_id"])
            line.receive(item["quantity"], accepted=item["accepted"])
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
        returned = [
            events.ReturnedItem.of(
                part,
                variant_id=part.item.variant_id,
                return_reason=part.item.reason or self.reason,
            )
            for part in receipt.contents
        ]
        return events.ReturnReceived.of(
            self, received_at=at, warehouse_id=warehouse_id, returned_items=returned
        )
