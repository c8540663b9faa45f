"""The payment: an amount that is charged for an order, captured, and refunded."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
from django.db import models
from django.db.models import Q

from config.core import outbound, request_context
from config.core.ids import PublicIdField
from config.core.money import CurrencyField, MoneyField, exact, money
from events.aggregate import Aggregate, PartList, transition
from events.schema import Event
from payments import events
from payments.events import RefundPart
from payments.exceptions import OrderNotPayable, RefundTooLarge
from payments.models.constraints import CONSTRAINTS, INDEXES
from payments.models.parts import Attempt, Refund
from payments.refund_parts import total

if TYPE_CHECKING:
    from orders.models import Order

MAX_ATTEMPTS = 3


class Payment(outbound.OutboundCall, Aggregate):
    """An amount that is charged for an order, which has three attempts for all of its payments.

    `amount` and `currency` are what is charged, `captured` and `captured_currency` what the gateway
    captured; refunds are in the captured currency. The row is also the intent of the calls to its
    gateway: see `config.core.outbound`.
    """

    class Status(models.TextChoices):
        """The status of a payment.

        - `opening`: the gateway has not accepted it yet.
        - `pending`: it waits for the customer, or for the gateway to capture the money.
        - `succeeded`: the money is captured.
        - `failed`: the last attempt was declined, or the payment was abandoned.
        - `refunded`: all captured money is refunded.
        """

        OPENING = "opening"
        PENDING = "pending"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        REFUNDED = "refunded"

    class Method(models.TextChoices):
        STRIPE = "stripe"
        MANUAL = "manual"
        SANDBOX = "sandbox"

    OPEN = (Status.OPENING, Status.PENDING)
    created_event = events.PaymentOpened
    terminal_statuses = frozenset({Status.SUCCEEDED, Status.FAILED, Status.REFUNDED})
    stream_field = "order_id"

    id = PublicIdField("pay")
    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="+")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.OPENING)
    method = models.CharField(max_length=16, choices=Method.choices)
    amount = MoneyField()
    currency = CurrencyField()
    earlier_declines = models.PositiveIntegerField(default=0)  # of earlier payments of the order
    account = models.CharField(max_length=64, null=True)  # the organization's at the gateway
    gateway_payment_id = models.CharField(max_length=255, null=True)
    client_secret = models.CharField(max_length=255, null=True)  # for the customer's browser
    abandoned_at = models.DateTimeField(null=True)  # since then the money is not awaited
    closed_at = models.DateTimeField(null=True)  # since then the gateway cannot capture
    captured = MoneyField(default=Decimal(0))
    captured_currency = CurrencyField(null=True)
    applies_to_order = models.BooleanField(default=False)  # whether `captured` pays the order
    paid_at = models.DateTimeField(null=True)
    card_brand = models.CharField(max_length=32, null=True)
    card_last4 = models.CharField(max_length=4, null=True)
    refunding = MoneyField(default=Decimal(0))
    refunded = MoneyField(default=Decimal(0))
    # The order must not expire while a capture may be under way, or is recorded here: the order has
    # not reacted to it yet, or an operator decides, or it waits for the rest of its total. Nor may
    # it before `blocks_expiry_until`, the deadline of a bank transfer.
    blocks_expiry = models.BooleanField(default=True)
    blocks_expiry_until = models.DateTimeField(null=True)
    attempts = PartList[Attempt]("attempt_set")  # oldest first
    refunds = PartList[Refund]("refund_set")  # oldest first

    class Meta:
        constraints = CONSTRAINTS
        indexes = INDEXES

    def __str__(self) -> str:
        return str(self.pk)

    @classmethod
    def unfinished(cls) -> Q:
        """Return which payments are not at their end; one with a pending refund is not."""
        return super().unfinished() | Q(refunding__gt=0)

    @property
    def latest_attempt(self) -> Attempt:
        """The latest attempt."""
        return self.attempts[-1]

    @property
    def declines(self) -> int:
        """How many of its attempts the gateway has declined."""
        return sum(attempt.declined_at is not None for attempt in self.attempts)

    @property
    def retries_remaining(self) -> int:
        """How many more attempts to pay the order the gateways may decline."""
        return MAX_ATTEMPTS - self.earlier_declines - self.declines

    @property
    def is_captured(self) -> bool:
        """Whether money was captured."""
        return self.paid_at is not None

    @property
    def is_open_at_gateway(self) -> bool:
        """Whether the gateway may still capture money."""
        return not (self.is_captured or self.closed_at)

    @property
    def is_mismatched(self) -> bool:
        """Whether another amount or currency was captured than was charged."""
        captured = (self.captured, self.captured_currency)
        return self.is_captured and captured != (self.amount, self.currency)

    @property
    def is_announced(self) -> bool:
        """Whether `payment.succeeded` was published for the captured money."""
        return self.is_captured and (self.applies_to_order or not self.is_mismatched)

    @property
    def settlement_currency(self) -> str:
        """The currency of the captured amount; before the capture, that of the charged amount."""
        return str(self.captured_currency or self.currency)

    @property
    def refundable(self) -> Decimal:
        """The captured amount without what is refunded or being refunded."""
        return Decimal(self.captured - self.refunded - self.refunding)

    @property
    def is_outcome_open(self) -> bool:
        """Whether it may be capturing money; `selectors.OUTCOME_OPEN` is the same condition."""
        return self.blocks_expiry and self.paid_at is None

    @property
    def is_undecided(self) -> bool:
        """Whether a mismatched capture is to be decided about, as in `selectors.MISMATCHED`."""
        is_mismatched = self.status == self.Status.SUCCEEDED and not self.applies_to_order
        return bool(is_mismatched and self.blocks_expiry and self.refundable > 0)

    def has_declined(self, charge_id: str | None) -> bool:
        """Whether the decline of this charge is recorded already."""
        return charge_id is not None and charge_id in {each.charge_id for each in self.attempts}

    def find_refund(self, refund_id: str | None) -> Refund | None:
        """Return the refund with this id, or None."""
        return next((refund for refund in self.refunds if refund.id == refund_id), None)

    def is_manual_refund(self, refund: Refund) -> bool:
        """Whether an operator pays the refund out, not the gateway."""
        is_original = refund.method == Refund.Method.ORIGINAL_PAYMENT
        return self.method == self.Method.MANUAL or not is_original

    def pending_gateway_refunds(self) -> list[Refund]:
        """Return the refunds that the gateway still has to pay out."""
        return [each for each in self._pending_refunds() if not self.is_manual_refund(each)]

    def pending_manual_refunds(self) -> list[Refund]:
        """Return the refunds that an operator still has to pay out."""
        return [each for each in self._pending_refunds() if self.is_manual_refund(each)]

    def _pending_refunds(self) -> list[Refund]:
        found = self.refunds if self.refunding else []  # saves a query
        return [refund for refund in found if refund.is_pending]

    def check_refundable(self, amount: Decimal) -> None:
        """Raise RefundTooLarge if less than `amount` can be refunded, or InexactAmount."""
        currency = self.settlement_currency
        refundable, requested = money(self.refundable, currency), exact(amount, currency)
        if requested > refundable:
            raise RefundTooLarge(
                f"{self.id} has {refundable} {currency} left to refund, not {requested}.",
                max_refundable=str(refundable),
            )

    def may_be_retried(self) -> bool:
        """it has attempts left and was not abandoned; otherwise start a new payment"""
        return self.abandoned_at is None

    def is_manual(self) -> bool:
        """its method is `manual`; the other gateways report a capture themselves"""
        return self.method == self.Method.MANUAL

    def is_awaited(self) -> bool:
        """it was not abandoned, or its order still waits for the outcome"""
        return self.abandoned_at is None or self.blocks_expiry

    def is_to_be_decided(self) -> bool:
        """another amount was captured than was charged, and it is not applied yet"""
        return self.is_mismatched and not self.applies_to_order

    def is_in_currency_of_order(self) -> bool:
        """it was captured in the order's currency (another one can only be refunded)"""
        return bool(self.captured_currency == self.currency)

    def is_not_refunded(self) -> bool:
        """none of it is refunded (the rest can only be refunded too)"""
        return bool(self.refundable == self.captured)

    def is_refundable(self) -> bool:
        """some of the captured money is not refunded yet"""
        return self.refundable > 0

    def has_manual_refunds(self) -> bool:
        """an operator still has to pay a refund out"""
        return bool(self.pending_manual_refunds())

    def needs_gateway_call(self) -> bool:
        """Whether the gateway has results that are not known yet."""
        if self.is_manual():  # an operator records the results
            return self.status == self.Status.OPENING
        return self.is_open_at_gateway or bool(self.pending_gateway_refunds())

    def await_confirmation(self, now: datetime) -> None:
        """A capture may be under way: block the order's expiry and call the gateway."""
        self.blocks_expiry = True
        self.request_call(now)

    def await_transfer(self, *, until: datetime) -> None:
        """Let the order wait until then for a bank transfer, or for the rest of its total."""
        self.blocks_expiry, self.blocks_expiry_until = False, until
        self.record(events.PaymentTransferAwaited.of(self, awaited_until=until))

    def schedule_next_call(self, now: datetime, error: str = "") -> None:
        """Schedule the next call of the gateway, if there is more to learn from it."""
        if self.needs_gateway_call():
            self.schedule_retry(now, error)
        else:
            self.finish_call(error)

    @classmethod
    def open(
        cls,
        *,
        order: "Order",
        method: str,
        amount: Decimal,
        token: str | None,
        at: datetime,
        account: str | None = None,
        earlier_declines: int = 0,
    ) -> "Payment":
        """Create a payment of `amount`, in the order's currency, with its first attempt."""
        payment = cls(
            organization_id=order.organization_id,
            order=order,
            method=method,
            amount=amount,
            currency=order.currency,
            account=account,
            earlier_declines=earlier_declines,
        )
        payment.attempts, payment.refunds = [], []
        payment._add_attempt(token, at)
        payment.record(payment._opened())
        return payment

    @transition(
        source=Status.FAILED,
        target=Status.OPENING,
        emits=events.PaymentOpened,
        verb="retry",
        guards=[may_be_retried],
    )
    def retry(self, *, token: str | None, at: datetime) -> Event:
        """Make another attempt, possibly with another card."""
        self._add_attempt(token, at)
        self.blocks_expiry = True
        return self._opened()

    @transition(
        source=(Status.OPENING, Status.FAILED),
        target=Status.PENDING,
        emits=events.PaymentPending,
    )
    def accept(self, *, at: datetime) -> Event:
        """Record that the gateway accepted the attempt and has no result yet."""
        if self.latest_attempt.declined_at:  # the customer retried at the gateway itself
            self._add_attempt(None, at)
        self.latest_attempt.accepted_at = at
        self.save_part(self.latest_attempt)
        return events.PaymentPending.of(self, payment_method=self.method)

    def ensure_accepted(self, *, at: datetime) -> None:
        """Accept the latest attempt, unless it was: `payment.pending` precedes every capture."""
        attempt = self.latest_attempt
        if self.status != self.Status.PENDING and (attempt.declined_at or not attempt.accepted_at):
            self.accept(at=at)

    @transition(
        source=(Status.OPENING, Status.PENDING),
        target=Status.FAILED,
        emits=events.PaymentFailed,
    )
    def decline(self, *, charge_id: str, code: str, message: str, at: datetime) -> Event:
        """Record that the gateway declined the attempt. The order's third decline abandons it."""
        attempt = self.latest_attempt
        attempt.charge_id, attempt.declined_at, attempt.token = charge_id, at, None
        attempt.error_code, attempt.error_message = code[:100], message[:500]
        self.save_part(attempt)
        self.blocks_expiry = False
        if not self.retries_remaining:
            self._stop_waiting(at)
        return events.PaymentFailed.of(
            self, error_code=attempt.error_code, error_message=attempt.error_message
        )

    @transition(
        source=(Status.PENDING, Status.FAILED),
        target=Status.SUCCEEDED,
        emits=events.PaymentSucceeded,
        verb="capture",
        guards=[is_manual],
    )
    def capture(self, *, is_still_due: bool, card_last4: str | None, at: datetime) -> Event:
        """Record the money that an operator received in cash or on the bank account."""
        self.ensure_accepted(at=at)
        self._capture(
            self.amount, self.currency, at=at, applies_to_order=is_still_due, card_last4=card_last4
        )
        return self._succeeded()

    @transition(
        source=(Status.PENDING, Status.FAILED),
        target=Status.SUCCEEDED,
        emits=events.PaymentSucceeded,
    )
    def succeed(self, *, is_still_due: bool, at: datetime, **card: str | None) -> Event:
        """Record that the gateway captured the requested amount."""
        self._capture(self.amount, self.currency, at=at, applies_to_order=is_still_due, **card)
        return self._succeeded()

    @transition(
        source=(Status.PENDING, Status.FAILED),
        target=Status.SUCCEEDED,
        emits=events.PaymentMismatched,
    )
    def mismatch(
        self, *, captured: Decimal, currency: str, at: datetime, **card: str | None
    ) -> Event:
        """Record that the gateway captured another amount. An operator applies or refunds it."""
        self._capture(captured, currency, at=at, applies_to_order=False, **card)
        self.blocks_expiry = True
        return events.PaymentMismatched(
            payment_id=self.id,
            order_id=self.order_id,
            amount=money(self.amount, self.currency),
            currency=self.currency,
            captured=money(captured, currency),
            captured_currency=currency,
        )

    @transition(
        source=Status.SUCCEEDED,
        target=None,
        emits=events.PaymentSucceeded,
        verb="apply",
        guards=[is_to_be_decided, is_in_currency_of_order, is_not_refunded],
    )
    def apply(self, *, is_still_due: bool) -> Event:
        """Count a mismatched capture towards the order's total. Raises OrderNotPayable."""
        if not is_still_due:
            raise OrderNotPayable(f"Nothing is due for {self.order_id}: refund {self.id}.")
        self.applies_to_order = True
        self.record(events.PaymentMismatchResolved.of(self, resolution="applied"))
        return self._succeeded()

    @transition(
        source=(Status.OPENING, Status.PENDING, Status.FAILED),
        target=Status.FAILED,
        emits=events.PaymentAbandoned,
        guards=[is_awaited],
    )
    def abandon(self, *, reason: str, at: datetime) -> Event:
        """Stop waiting for the money. The gateway is called to cancel the payment."""
        self._stop_waiting(at)
        return events.PaymentAbandoned.of(self, reason=reason)

    @transition(
        source=(Status.SUCCEEDED, Status.REFUNDED),
        target=None,
        emits=events.RefundRequested,
        verb="refund",
        guards=[is_refundable],
    )
    def request_refund(
        self,
        *,
        parts: Sequence[RefundPart],
        reason: str,
        method: str,
        cause: str | None,
        at: datetime,
    ) -> Event:
        """Refund the sum of the parts. The caller has checked that it is left."""
        amount = total(parts)
        refund = Refund(
            payment=self,
            amount=amount,
            parts_data=msgspec.to_builtins(parts),
            currency=self.settlement_currency,
            reason=reason,
            method=method,
            cause=cause,
            requested_by=request_context.current().actor,
            requested_at=at,
        )
        self.refunds.append(refund)
        self.save_part(refund)
        self.refunding += amount
        if not self.is_manual_refund(refund):
            self.request_call(at)
        return events.RefundRequested.of(refund, order_id=self.order_id)

    def complete_refund(
        self, *, refund: Refund, at: datetime, gateway_refund_id: str | None = None
    ) -> None:
        """Record that the gateway paid the refund out."""
        refund.gateway_refund_id = gateway_refund_id or refund.gateway_refund_id
        is_last = self._is_last(refund)
        complete = self.complete_last_refund if is_last else self.complete_part_refund
        complete(refund=refund, at=at)

    @transition(source=Status.SUCCEEDED, target=None, emits=events.RefundSucceeded)
    def complete_part_refund(self, *, refund: Refund, at: datetime) -> Event:
        """Record that the gateway paid a refund out, and some of the captured money is left."""
        return self._count_refund(refund, at)

    @transition(source=Status.SUCCEEDED, target=Status.REFUNDED, emits=events.RefundSucceeded)
    def complete_last_refund(self, *, refund: Refund, at: datetime) -> Event:
        """Record that the gateway paid a refund out, and no captured money is left."""
        return self._count_refund(refund, at)

    def record_refund(self, *, refund: Refund, at: datetime) -> None:
        """Record that an operator paid the refund out."""
        record = self.record_last_refund if self._is_last(refund) else self.record_part_refund
        record(refund=refund, at=at)

    @transition(
        source=Status.SUCCEEDED,
        target=None,
        emits=events.RefundSucceeded,
        verb="record-refund",
        guards=[has_manual_refunds],
    )
    def record_part_refund(self, *, refund: Refund, at: datetime) -> Event:
        """Record that an operator paid a refund out, and some of the captured money is left."""
        return self._count_refund(refund, at)

    @transition(
        source=Status.SUCCEEDED,
        target=Status.REFUNDED,
        emits=events.RefundSucceeded,
        verb="record-refund",
        guards=[has_manual_refunds],
    )
    def record_last_refund(self, *, refund: Refund, at: datetime) -> Event:
        """Record that an operator paid a refund out, and no captured money is left."""
        return self._count_refund(refund, at)

    @transition(source=Status.SUCCEEDED, target=None, emits=events.RefundFailed)
    def fail_refund(self, *, refund: Refund, code: str, message: str, at: datetime) -> Event:
        """Record that the gateway could not pay a refund out. It can be requested again."""
        return self._end_refund(refund, code, message, at)

    @transition(
        source=Status.SUCCEEDED,
        target=None,
        emits=events.RefundFailed,
        verb="withdraw-refund",
        guards=[has_manual_refunds],
    )
    def withdraw_refund(self, *, refund: Refund, at: datetime) -> Event:
        """Withdraw a refund that an operator has not paid out."""
        return self._end_refund(refund, Refund.WITHDRAWN, "An operator has withdrawn it.", at)

    @transition(
        source=(Status.SUCCEEDED, Status.REFUNDED),
        target=Status.SUCCEEDED,
        emits=events.RefundFailed,
    )
    def bounce_refund(self, *, refund: Refund, code: str, message: str) -> Event:
        """Record that a refund came back. An operator has to pay it out another way."""
        refund.status, refund.settled_at = Refund.Status.PENDING, None
        refund.method = Refund.Method.MANUAL
        self.refunded -= refund.amount
        self.refunding += refund.amount
        return self._reject_refund(refund, code, message)

    def record_shortfall(self, *, amount: Decimal, cause: str | None) -> None:
        """Record that `amount` should also be refunded and no captured money is left for it."""
        currency = self.settlement_currency
        self.record(events.RefundFellShort.of(self, cause=cause, amount=amount, currency=currency))

    def _opened(self) -> Event:
        return events.PaymentOpened.of(self, payment_method=self.method)

    def _succeeded(self) -> Event:
        return events.PaymentSucceeded.of(self, amount=self.captured, payment_method=self.method)

    def _add_attempt(self, token: str | None, at: datetime) -> None:
        attempt = Attempt(payment=self, number=len(self.attempts) + 1, token=token)
        self.attempts.append(attempt)
        self.save_part(attempt)
        self.request_call(at)

    def _capture(
        self,
        amount: Decimal,
        currency: str,
        *,
        at: datetime,
        applies_to_order: bool,
        card_brand: str | None = None,
        card_last4: str | None = None,
    ) -> None:
        self.captured, self.captured_currency, self.paid_at = amount, currency, at
        self.card_brand, self.card_last4 = card_brand, card_last4
        self.applies_to_order = self.blocks_expiry = applies_to_order
        self.latest_attempt.token = None
        self.save_part(self.latest_attempt)

    def _stop_waiting(self, at: datetime) -> None:
        self.abandoned_at, self.blocks_expiry, self.latest_attempt.token = at, False, None
        self.save_part(self.latest_attempt)
        if self.is_manual():
            self.closed_at = at
            self.finish_call()
        else:
            self.request_call(at)

    def _is_last(self, refund: Refund) -> bool:
        """Whether no captured money is left after the refund."""
        return bool(self.refunded + refund.amount == self.captured)

    def _count_refund(self, refund: Refund, at: datetime) -> Event:
        """Count a refund that was paid out.

        It is published if it went to the original payment and the captured money was published.
        """
        refund.status, refund.settled_at = Refund.Status.SUCCEEDED, at
        self.refunding -= refund.amount
        self.refunded += refund.amount
        if self.refunded == self.captured:
            self.blocks_expiry = False
            if self.is_to_be_decided():
                self.record(events.PaymentMismatchResolved.of(self, resolution="refunded"))
        self.save_part(refund)
        if refund.method == Refund.Method.ORIGINAL_PAYMENT and self.is_announced:
            refunded = events.PaymentRefunded.of(
                refund,
                order_id=self.order_id,
                refund_amount=refund.amount,
                refund_reason=refund.reason,
                refunded_at=refund.settled_at,
            )
            self.record(refunded)
        return events.RefundSucceeded.of(refund, order_id=self.order_id)

    def _end_refund(self, refund: Refund, code: str, message: str, at: datetime) -> Event:
        refund.status, refund.settled_at = Refund.Status.FAILED, at
        self.refunding -= refund.amount
        return self._reject_refund(refund, code, message)

    def _reject_refund(self, refund: Refund, code: str, message: str) -> Event:
        refund.error_code, refund.error_message = code[:100], message[:500]
        self.save_part(refund)
        return events.RefundFailed.of(refund, order_id=self.order_id)
