"""The life of a payment on one page."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from config.core import request_context
from config.core.money import exact, money
from events.aggregate import transition
from events.schema import Event
from payments import events
from payments.exceptions import RefundTooLarge
from payments.models.parts import Attempt, Refund
from payments.models.record import PaymentRecord


class Payment(PaymentRecord):
    """Money for an order: asked for, captured, and given back."""

    created_event = events.PaymentOpened
    Status = PaymentRecord.Status

    def may_be_retried(self) -> bool:
        """it has attempts left, and nobody has given it up; else start a new payment"""
        return self.abandoned_at is None

    def is_manual(self) -> bool:
        """the money comes by hand; a gateway says itself when it has it"""
        return self.method == self.Method.MANUAL

    def is_waited_for(self) -> bool:
        """somebody still waits for the money, or the order for what was heard of it"""
        return self.abandoned_at is None or self.keeps_order

    def has_money_left(self) -> bool:
        """some of the captured money is not refunded yet"""
        return self.refundable > 0

    @classmethod
    def open(cls, *, token: str | None, at: datetime, **fields: Any) -> "Payment":
        """Somebody wants to pay what is due."""
        payment = cls(**fields)
        payment.tries, payment.givebacks = [], []
        payment.try_again(token, at)
        payment.record(events.PaymentOpened.of(payment))
        return payment

    @transition(
        source=Status.FAILED,
        target=Status.OPENING,
        emits=events.PaymentOpened,
        verb="retry",
        guards=[may_be_retried],
    )
    def retry(self, *, token: str | None, at: datetime) -> None:
        """The customer tries once more, maybe with another card."""
        self.try_again(token, at)
        self.keeps_order = True

    @transition(
        source=(Status.OPENING, Status.FAILED),
        target=Status.PENDING,
        emits=events.PaymentPending,
    )
    def accept(self, *, at: datetime) -> None:
        """The gateway knows of the attempt; the money is the customer's to give."""
        if self.attempt.declined_at:  # tried again where the customer and the gateway meet
            self.try_again(None, at)
        self.attempt.accepted_at = at
        self.save_part(self.attempt)

    @transition(
        source=(Status.OPENING, Status.PENDING),
        target=Status.FAILED,
        emits=events.PaymentFailed,
    )
    def decline(self, *, charge_id: str, code: str, message: str, at: datetime) -> Event:
        """The gateway does not take this card; after three attempts nobody waits any more."""
        attempt = self.attempt
        attempt.charge_id, attempt.declined_at, attempt.token = charge_id, at, None
        attempt.error_code, attempt.error_message = code[:100], message[:500]
        self.save_part(attempt)
        self.keeps_order = False
        if not self.retries_remaining:
            self.give_up(at)
        return events.PaymentFailed(
            payment_id=self.id,
            order_id=self.order_id,
            error_code=attempt.error_code,
            error_message=attempt.error_message,
            retries_remaining=self.retries_remaining,
        )

    @transition(
        source=(Status.PENDING, Status.FAILED),
        target=Status.SUCCEEDED,
        emits=events.PaymentSucceeded,
        verb="capture",
        guards=[is_manual],
    )
    def capture(self, *, is_wanted: bool, card_last4: str | None, at: datetime) -> None:
        """Somebody has the money in hand, or on the bank account."""
        self.take(self.amount, self.currency, at=at, counts=is_wanted, card_last4=card_last4)

    @transition(
        source=(Status.PENDING, Status.FAILED),
        target=Status.SUCCEEDED,
        emits=events.PaymentSucceeded,
    )
    def succeed(self, *, is_wanted: bool, at: datetime, **card: str | None) -> None:
        """The gateway has captured what was asked for."""
        self.take(self.amount, self.currency, at=at, counts=is_wanted, **card)

    @transition(
        source=(Status.PENDING, Status.FAILED),
        target=Status.SUCCEEDED,
        emits=events.PaymentMismatched,
    )
    def mismatch(
        self, *, captured: Decimal, currency: str, at: datetime, **card: str | None
    ) -> None:
        """The gateway has captured something else: it does not count, and somebody decides."""
        self.take(captured, currency, at=at, counts=False, **card)
        self.keeps_order = True

    @transition(
        source=(Status.OPENING, Status.PENDING, Status.FAILED),
        target=Status.FAILED,
        emits=events.PaymentAbandoned,
        guards=[is_waited_for],
    )
    def abandon(self, *, reason: str, at: datetime) -> Event:
        """Nobody waits for it any more; the gateway is told to take nothing."""
        self.give_up(at)
        return events.PaymentAbandoned(payment_id=self.id, order_id=self.order_id, reason=reason)

    @transition(
        source=(Status.SUCCEEDED, Status.REFUNDED),
        target=None,
        emits=events.RefundRequested,
        verb="refund",
        guards=[has_money_left],
    )
    def request_refund(
        self, *, amount: Decimal, reason: str, method: str, cause: str | None, at: datetime
    ) -> Event:
        """Money is to go back, at most what is left of it."""
        refund = Refund(
            payment=self,
            amount=amount,
            currency=self.held_currency,
            reason=reason,
            method=method,
            cause=cause,
            requested_by=request_context.current().actor,
            requested_at=at,
        )
        self.givebacks.append(refund)
        self.save_part(refund)
        self.refunding += amount
        if not self.goes_by_hand(refund):
            self.request_call(at)
        return events.RefundRequested.of(refund, self)

    def complete_refund(self, *, refund: Refund, **settled: Any) -> None:
        """The money has gone back, of which the rest is given."""
        if self.refunded + refund.amount == self.captured:
            self.complete_last_refund(refund=refund, **settled)
        else:
            self.complete_part_refund(refund=refund, **settled)

    @transition(source=Status.SUCCEEDED, target=None, emits=events.RefundSucceeded)
    def complete_part_refund(self, **settled: Any) -> Event:
        """Some of the money has gone back."""
        return self.settle_refund(**settled)

    @transition(source=Status.SUCCEEDED, target=Status.REFUNDED, emits=events.RefundSucceeded)
    def complete_last_refund(self, **settled: Any) -> Event:
        """All of the money has gone back."""
        self.keeps_order = False
        return self.settle_refund(**settled)

    @transition(source=Status.SUCCEEDED, target=None, emits=events.RefundFailed)
    def fail_refund(self, *, refund: Refund, code: str, message: str, at: datetime) -> Event:
        """The gateway could not pay it out: the amount can be refunded again."""
        refund.status, refund.settled_at = Refund.Status.FAILED, at
        refund.error_code, refund.error_message = code[:100], message[:500]
        self.refunding -= refund.amount
        self.save_part(refund)
        return events.RefundFailed.of(
            refund, self, error_code=refund.error_code, error_message=refund.error_message
        )

    @transition(
        source=(Status.SUCCEEDED, Status.REFUNDED),
        target=Status.SUCCEEDED,
        emits=events.RefundFailed,
    )
    def bounce_refund(self, *, refund: Refund, code: str, message: str) -> Event:
        """What was paid out has come back: an operator has to find another way."""
        refund.status, refund.settled_at = Refund.Status.PENDING, None
        refund.method = Refund.Method.MANUAL
        refund.error_code, refund.error_message = code[:100], message[:500]
        self.refunded -= refund.amount
        self.refunding += refund.amount
        self.save_part(refund)
        return events.RefundFailed.of(
            refund, self, error_code=refund.error_code, error_message=refund.error_message
        )

    def fall_short(self, *, amount: Decimal, cause: str | None) -> None:
        """So much was to go back, and nothing is left of the order's money."""
        self.record(
            events.RefundFellShort(
                payment_id=self.id,
                order_id=self.order_id,
                cause=cause,
                amount=money(amount, self.held_currency),
                currency=self.held_currency,
            )
        )

    def expect_refundable(self, amount: Decimal) -> None:
        """Raise RefundTooLarge where more is asked for than is left, InexactAmount."""
        left, asked = money(self.refundable, self.held_currency), exact(amount, self.held_currency)
        if asked > left:
            raise RefundTooLarge(
                f"Of {self.id}, {left} {self.held_currency} can be refunded; "
                f"{asked} were asked for.",
                max_refundable=str(left),
            )

    def settle_refund(
        self, *, refund: Refund, gateway_refund_id: str | None, at: datetime
    ) -> Event:
        """Count what has gone back; what the gateway paid out is told to others too."""
        refund.status, refund.settled_at = Refund.Status.SUCCEEDED, at
        refund.gateway_refund_id = gateway_refund_id or refund.gateway_refund_id
        self.refunding -= refund.amount
        self.refunded += refund.amount
        self.save_part(refund)
        if refund.method == Refund.Method.ORIGINAL_PAYMENT:
            self.record(events.PaymentRefunded.of(refund, self))
        return events.RefundSucceeded.of(refund, self)

    def try_again(self, token: str | None, at: datetime) -> None:
        """Begin an attempt."""
        attempt = Attempt(payment=self, number=len(self.tries) + 1, token=token)
        self.tries.append(attempt)
        self.save_part(attempt)
        self.request_call(at)

    def take(
        self,
        amount: Decimal,
        currency: str,
        *,
        at: datetime,
        counts: bool,
        card_brand: str | None = None,
        card_last4: str | None = None,
    ) -> None:
        """Note what has come."""
        self.captured, self.captured_currency, self.counts = amount, currency, counts
        self.paid_at, self.card_brand, self.card_last4 = at, card_brand, card_last4
        self.keeps_order, self.attempt.token = counts, None
        self.save_part(self.attempt)

    def give_up(self, at: datetime) -> None:
        """Wait no more, and have the gateway told so."""
        self.abandoned_at, self.keeps_order, self.attempt.token = at, False, None
        self.save_part(self.attempt)
        if self.is_manual():
            self.closed_at = at
            self.finish_call()
        else:
            self.request_call(at)

    def wait_for_transfer(self, *, days: int, at: datetime) -> None:
        """Money that comes by hand takes days, for which the order waits."""
        self.keeps_order, self.keeps_order_until = False, at + timedelta(days=days)
