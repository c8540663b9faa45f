"""The payment: an amount that is charged for an order, captured, and refunded."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q

from config.core import outbound
from config.core.ids import PublicIdField
from config.core.money import CurrencyField, MoneyField, money
from events.aggregate import PartList, transition
from events.schema import Event
from payments import events
from payments.events import RefundPart
from payments.exceptions import OrderNotPayable
from payments.models.choices import CAPTURED, Method, Status
from payments.models.constraints import CONSTRAINTS, INDEXES
from payments.models.disputes import Disputable
from payments.models.parts import Attempt, Refund

if TYPE_CHECKING:
    from orders.models import Order

MAX_ATTEMPTS = 3
COPIED = ("account", "provider", "gateway_payment_id", "card_brand", "card_last4")


class Payment(outbound.OutboundCall, Disputable):
    """An amount that is charged for an order, which has three attempts for all of its payments.

    `amount` and `currency` are what is charged, `captured` and `captured_currency` what the gateway
    captured; refunds are in the captured currency. What the payments of an order may still capture
    and have captured for it never exceeds its total. The row is also the intent of the calls to its
    gateway: see `config.core.outbound`.
    """

    Status = Status
    Method = Method

    OPEN = (Status.OPENING, Status.PENDING)
    AWAITED = (*OPEN, Status.AUTHORIZED)
    CAPTURED = CAPTURED
    created_event = events.PaymentOpened
    terminal_statuses = frozenset({Status.SUCCEEDED, Status.FAILED, Status.REFUNDED, Status.CLOSED})
    stream_field = "order_id"

    id = PublicIdField("pay")
    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="+")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.OPENING)
    method = models.CharField(max_length=16, choices=Method.choices)
    amount = MoneyField()
    currency = CurrencyField()
    earlier_declines = models.PositiveIntegerField(default=0)  # of the order's other payments
    account = models.CharField(max_length=64, null=True)  # the organization's at the gateway
    # The system that has captured an external payment, and its id of the capture.
    provider = models.CharField(max_length=64, null=True)
    reference = models.CharField(max_length=255, null=True)
    # Received besides `captured`, beyond what was due: a payment of its own, which never applies.
    surplus = MoneyField(default=Decimal(0), db_default=Decimal(0))
    surplus_of = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")
    # Captured for an order that this one replaces, by that payment.
    moved_from = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")
    captures_later = models.BooleanField(default=False, db_default=False)
    authorized_at = models.DateTimeField(null=True)
    capture_amount = MoneyField(null=True)  # the requested capture of an authorized payment
    # Of a payment on account: what the customer still owes, and what is not due any more.
    outstanding = MoneyField(default=Decimal(0), db_default=Decimal(0))
    waived = MoneyField(default=Decimal(0), db_default=Decimal(0))
    payable_until = models.DateTimeField(null=True)
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
        return max(MAX_ATTEMPTS - self.earlier_declines - self.declines, 0)

    @property
    def is_captured(self) -> bool:
        """Whether money was captured."""
        return self.paid_at is not None

    @property
    def is_mismatched(self) -> bool:
        """Whether a gateway captured another amount or currency than was charged."""
        charged = self.amount if self.capture_amount is None else self.capture_amount
        captured = (self.captured + self.surplus, self.captured_currency)
        is_by_gateway = self.is_captured and not self.is_by_hand
        return is_by_gateway and captured != (charged, self.currency)

    @property
    def is_announced(self) -> bool:
        """Whether `payment.succeeded` was published for the captured money."""
        is_announced = self.applies_to_order or not (self.is_mismatched or self.surplus_of_id)
        return self.is_captured and is_announced

    @property
    def announced_id(self) -> str:
        """The id under which the capture of its money was published."""
        return str(self.moved_from_id or self.pk)

    @property
    def is_on_account(self) -> bool:
        """Whether it stands for what is due for an order that was confirmed before payment."""
        return self.method == self.Method.ON_ACCOUNT

    @property
    def is_by_hand(self) -> bool:
        """Whether no gateway moves its money: an operator or another system does."""
        return self.method in (self.Method.MANUAL, self.Method.EXTERNAL, self.Method.ON_ACCOUNT)

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
        is_reserved = self.status == self.Status.AUTHORIZED and self.capture_amount is None
        return self.blocks_expiry and self.paid_at is None and not is_reserved

    def pending_refunds(self, *, by_hand: bool) -> list[Refund]:
        """Return the refunds that an operator, or else the gateway, still has to pay out."""
        found = self.refunds if self.refunding else []  # saves a query
        return [refund for refund in found if refund.is_pending and refund.is_by_hand == by_hand]

    def may_be_retried(self) -> bool:
        """it has attempts left and was not abandoned; otherwise start a new payment"""
        return self.abandoned_at is None

    def is_manual(self) -> bool:
        """its method is `manual`; the other gateways report a capture themselves"""
        return self.method == self.Method.MANUAL

    def is_not_being_captured(self) -> bool:
        """no capture of it is requested"""
        return self.capture_amount is None

    def is_awaited(self) -> bool:
        """it was not abandoned, or its order still waits for the outcome"""
        return not self.is_on_account and (self.abandoned_at is None or self.blocks_expiry)

    def is_to_be_decided(self) -> bool:
        """another amount was captured than was charged, and it is not applied yet"""
        return self.is_mismatched and not (self.applies_to_order or self.surplus_of_id)

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
        return bool(self.pending_refunds(by_hand=True))

    def await_transfer(self, *, until: datetime) -> None:
        """Let the order wait until then for a bank transfer, or for the rest of its total."""
        self.blocks_expiry, self.blocks_expiry_until = False, until
        self.record(events.PaymentTransferAwaited.of(self, awaited_until=until))

    @classmethod
    def open(
        cls,
        *,
        order: "Order",
        method: str,
        amount: Decimal,
        token: str | None,
        at: datetime,
        **fields: Any,
    ) -> "Payment":
        """Create a payment of `amount`, in the order's currency, with its first attempt."""
        payment = cls(
            organization_id=order.organization_id,
            order=order,
            method=method,
            amount=amount,
            currency=order.currency,
            **fields,
        )
        payment.attempts, payment.refunds = [], []
        payment._add_attempt(token, at)
        payment.record(payment._opened())
        return payment

    def part_for(self, order: "Order", amount: Decimal, at: datetime, **fields: Any) -> "Payment":
        """Create a payment of a part of the money, which the same gateway or provider has."""
        fields |= {name: getattr(self, name) for name in COPIED}
        part = Payment.open(
            order=order, method=self.method, amount=amount, token=None, at=at, **fields
        )
        part.finish_call()
        return part

    @transition(source=Status.OPENING, target=Status.PENDING, emits=events.PaymentDeferred)
    def defer(self, *, until: datetime | None) -> Event:
        """Let the customer owe the amount until then, or until the order is delivered."""
        self.outstanding, self.payable_until, self.blocks_expiry = self.amount, until, False
        self.finish_call()
        return events.PaymentDeferred.of(self)

    def settle(self, due: Decimal) -> None:
        """Record what the customer still owes. The payment is closed when nothing is due."""
        self.outstanding = due
        if not due and self.status == self.Status.PENDING:
            self.close()

    @transition(source=Status.PENDING, target=Status.CLOSED, emits=events.PaymentClosed)
    def close(self) -> Event:
        """Record that nothing is due any more."""
        return events.PaymentClosed.of(self)

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
        emits=events.PaymentRefused,
    )
    def refuse(self, *, code: str, message: str, at: datetime) -> Event:
        """Record that the gateway cannot take the payment. This is no attempt of the customer."""
        error = self._record_error(code, message)
        self._stop_waiting(at)
        if not self.gateway_payment_id:  # nothing is left to cancel there
            self.closed_at = at
            self.finish_call()
        return events.PaymentRefused.of(self, **error)

    @transition(
        source=(Status.PENDING, Status.FAILED),
        target=Status.AUTHORIZED,
        emits=events.PaymentAuthorized,
    )
    def authorize(self, *, covers_order: bool, at: datetime, **card: str | None) -> Event:
        """Record that the gateway reserves the amount until it is captured or voided.

        The order does not expire if all that is due for it is authorized or captured.
        """
        self.authorized_at, self.blocks_expiry = at, covers_order
        self._remember_card(card)
        return events.PaymentAuthorized.of(self)

    @transition(
        source=Status.AUTHORIZED,
        target=None,
        emits=events.PaymentCaptureRequested,
        verb="capture",
        guards=[is_not_being_captured],
    )
    def request_capture(self, *, amount: Decimal, at: datetime) -> Event:
        """Capture the authorized amount or a part of it; the gateway voids the rest."""
        self.capture_amount, self.blocks_expiry = amount, True
        self._record_error("", "")
        self.request_call(at)
        return events.PaymentCaptureRequested.of(self, amount=amount)

    @transition(
        source=Status.AUTHORIZED,
        target=Status.FAILED,
        emits=events.PaymentVoided,
        verb="void",
        guards=[is_not_being_captured],
    )
    def void(self, *, at: datetime) -> Event:
        """Let the authorized money go: the gateway is called to cancel the payment."""
        return self._void("operator", at)

    @transition(source=Status.AUTHORIZED, target=Status.FAILED, emits=events.PaymentVoided)
    def lose_authorization(self, *, reason: str, at: datetime) -> Event:
        """Record that the money is not reserved any more, or not needed."""
        return self._void(reason, at)

    @transition(source=Status.AUTHORIZED, target=None, emits=events.PaymentRefused)
    def refuse_capture(self, *, code: str, message: str) -> Event:
        """Record that the gateway did not accept the capture. Another one can be requested."""
        self.capture_amount = None
        return events.PaymentRefused.of(self, **self._record_error(code, message))

    @transition(
        source=(Status.OPENING, Status.PENDING, Status.AUTHORIZED),
        target=Status.FAILED,
        emits=events.PaymentFailed,
    )
    def decline(self, *, charge_id: str, code: str, message: str, at: datetime) -> Event:
        """Record that the gateway declined the attempt. The order's third decline abandons it."""
        attempt = self.latest_attempt
        attempt.charge_id, attempt.declined_at, attempt.token = charge_id, at, None
        self.capture_amount = None
        error = self._record_error(code, message)
        self.blocks_expiry = False
        if not self.retries_remaining:
            self._stop_waiting(at)
        return events.PaymentFailed.of(self, **error)

    @transition(
        source=(Status.PENDING, Status.FAILED),
        target=Status.SUCCEEDED,
        emits=events.PaymentSucceeded,
        verb="capture",
        guards=[is_manual],
    )
    def capture(
        self, *, amount: Decimal, due: Decimal, card_last4: str | None, at: datetime
    ) -> Event:
        """Record the money that an operator received in cash or on the bank account.

        `due` is what is due for the order. If it is less, the rest is a surplus.
        """
        self.ensure_accepted(at=at)
        self._capture(amount, self.currency, at=at, due=due, card_last4=card_last4)
        return self._succeeded()

    @transition(
        source=(Status.PENDING, Status.AUTHORIZED, Status.FAILED),
        target=Status.SUCCEEDED,
        emits=events.PaymentSucceeded,
    )
    def succeed(self, *, amount: Decimal, due: Decimal, at: datetime, **card: str | None) -> Event:
        """Record that the gateway, or another system, captured the requested amount.

        `due` is what is due for the order. If it is less, the rest is a surplus.
        """
        self._capture(amount, self.currency, at=at, due=due, **card)
        return self._succeeded()

    @transition(
        source=(Status.OPENING, Status.PENDING, Status.AUTHORIZED, Status.FAILED),
        target=Status.SUCCEEDED,
        emits=events.PaymentSurplusReceived,
    )
    def keep_surplus(self, *, amount: Decimal, at: datetime, **card: str | None) -> Event:
        """Record that the money of this payment, as a whole, is beyond what was due."""
        self.surplus_of = self.surplus_of or self
        self._capture(amount, self.currency, at=at, due=Decimal(0), **card)
        return events.PaymentSurplusReceived.of(self, surplus_of=self.surplus_of_id)

    @transition(source=Status.OPENING, target=Status.SUCCEEDED, emits=events.PaymentMoved)
    def take_over(self, *, due: Decimal, at: datetime) -> Event:
        """Record that the money was captured for an order that this one replaces."""
        self._capture(self.amount, self.currency, at=at, due=due)
        return events.PaymentMoved.of(self, moved_from=self.announced_id)

    @transition(
        source=(Status.PENDING, Status.AUTHORIZED, Status.FAILED),
        target=Status.SUCCEEDED,
        emits=events.PaymentMismatched,
    )
    def mismatch(
        self, *, captured: Decimal, currency: str, at: datetime, **card: str | None
    ) -> Event:
        """Record that the gateway captured another amount. An operator applies or refunds it."""
        self._capture(captured, currency, at=at, due=Decimal(0), **card)
        self.blocks_expiry = True
        return events.PaymentMismatched.of(self, captured=money(captured, currency))

    @transition(
        source=Status.SUCCEEDED,
        target=None,
        emits=events.PaymentSucceeded,
        verb="apply",
        guards=[is_to_be_decided, is_in_currency_of_order, is_not_refunded],
    )
    def apply(self, *, due: Decimal) -> Event:
        """Count a mismatched capture towards the order's total. Raises OrderNotPayable.

        What it exceeds `due` by is a surplus.
        """
        if due <= 0:
            raise OrderNotPayable(f"Nothing is due for {self.order_id}: refund {self.id}.")
        self.applies_to_order = True
        self._split(self.captured, due)
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
        source=CAPTURED,
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
        refund = self._add_refund(parts, reason=reason, method=method, cause=cause, at=at)
        self.refunding += refund.amount
        if not refund.is_by_hand:
            self.request_call(at)
        return events.RefundRequested.of(refund, order_id=self.order_id)

    @transition(source=Status.PENDING, target=None, emits=events.RefundSucceeded)
    def waive(
        self, *, parts: Sequence[RefundPart], reason: str, cause: str | None, at: datetime
    ) -> Event:
        """Let the customer owe less for these parts: nothing was paid for them yet."""
        manual, paid_out = Refund.Method.MANUAL, Refund.Status.SUCCEEDED
        refund = self._add_refund(parts, reason=reason, method=manual, cause=cause, at=at)
        refund.status, refund.settled_at = paid_out, at
        self.waived += refund.amount
        return events.RefundSucceeded.of(refund, order_id=self.order_id)

    @transition(source=Status.SUCCEEDED, target=None, emits=events.RefundSucceeded)
    def complete_part_refund(self, *, refund: Refund, at: datetime) -> Event:
        """Record that the gateway paid a refund out, and some of the captured money is left."""
        return self._count_refund(refund, at)

    @transition(source=Status.SUCCEEDED, target=Status.REFUNDED, emits=events.RefundSucceeded)
    def complete_last_refund(self, *, refund: Refund, at: datetime) -> Event:
        """Record that the gateway paid a refund out, and no captured money is left."""
        return self._count_refund(refund, at)

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
        source=CAPTURED,
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

    def _void(self, reason: str, at: datetime) -> Event:
        self._stop_waiting(at)
        return events.PaymentVoided.of(self, reason=reason)

    def _opened(self) -> Event:
        return events.PaymentOpened.of(self, payment_method=self.method)

    def _succeeded(self) -> Event:
        return events.PaymentSucceeded.of(self, amount=self.captured, payment_method=self.method)

    def _add_refund(self, parts: Sequence[RefundPart], *, at: datetime, **fields: Any) -> Refund:
        refund = Refund.of(self, parts, at=at, **fields)
        self.refunds.append(refund)
        self.save_part(refund)
        return refund

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
        due: Decimal,
        **card: str | None,
    ) -> None:
        self.captured_currency, self.paid_at = currency, at
        self._remember_card(card)
        self.applies_to_order = due > 0
        self._split(amount, due if due > 0 else amount)
        self.blocks_expiry = self.applies_to_order and amount >= due

    def _split(self, amount: Decimal, due: Decimal) -> None:
        self.captured = min(amount, due)
        self.surplus = amount - self.captured

    def _record_error(self, code: str, message: str) -> dict[str, str]:
        self.save_part(self.latest_attempt)
        return self.latest_attempt.record_error(code, message)

    def _remember_card(self, card: Mapping[str, str | None]) -> None:
        vars(self).update({name: value for name, value in card.items() if value})
        self._forget_token()

    def _forget_token(self) -> None:
        self.latest_attempt.token = None
        self.save_part(self.latest_attempt)

    def _stop_waiting(self, at: datetime) -> None:
        self.abandoned_at, self.blocks_expiry = at, False
        self._forget_token()
        if self.is_by_hand:
            self.closed_at = at
            self.finish_call()
        else:
            self.request_call(at)

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
                payment_id=self.announced_id,
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
