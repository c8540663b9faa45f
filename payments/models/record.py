"""What is known of a payment: its columns, its parts, and what follows from them."""

from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round

from config.core.ids import PublicIdField
from config.core.money import MAX_DECIMALS, CurrencyField, MoneyField
from config.core.outbound import OutboundCall
from events.aggregate import Aggregate
from payments.models.parts import Attempt, Refund

MAX_ATTEMPTS = 3


class PaymentRecord(OutboundCall, Aggregate):
    """The part of a payment that does not move by itself."""

    class Status(models.TextChoices):
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
    terminal_statuses = frozenset({Status.SUCCEEDED, Status.FAILED, Status.REFUNDED})
    stream_field = "order_id"

    attempts: Any  # the reverse of Attempt.payment
    refunds: Any  # the reverse of Refund.payment

    id = PublicIdField("pay")
    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="+")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.OPENING)
    method = models.CharField(max_length=16, choices=Method.choices)
    amount = MoneyField()  # what is asked for
    currency = CurrencyField()
    account = models.CharField(max_length=64, null=True)  # the organization's at the gateway
    gateway_payment_id = models.CharField(max_length=255, null=True)
    client_secret = models.CharField(max_length=255, null=True)  # for the customer's browser
    abandoned_at = models.DateTimeField(null=True)  # from when on nobody waits for the money
    closed_at = models.DateTimeField(null=True)  # from when on the gateway takes none any more
    captured = MoneyField(default=Decimal(0))
    captured_currency = CurrencyField(null=True)
    counts = models.BooleanField(default=False)  # what is captured, towards the order's total
    paid_at = models.DateTimeField(null=True)
    card_brand = models.CharField(max_length=32, null=True)
    card_last4 = models.CharField(max_length=4, null=True)
    refunding = MoneyField(default=Decimal(0))
    refunded = MoneyField(default=Decimal(0))
    # An order does not expire while its money may be on its way, or is here and not yet heard of;
    # nor, for a transfer, until then.
    keeps_order = models.BooleanField(default=True)
    keeps_order_until = models.DateTimeField(null=True)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(
                fields=["order"],
                name="one_open_payment_per_order",
                condition=Q(status__in=["opening", "pending"]),
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0, captured__gte=0, refunded__gte=0, refunding__gte=0)
                # Rounded, because SQLite adds with floats.
                & Q(captured__gte=Round(F("refunded") + F("refunding"), precision=MAX_DECIMALS)),
                name="payment_refunds_no_cent_twice",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=["opening", "pending", "failed"],
                    captured=0,
                    captured_currency=None,
                    paid_at=None,
                    counts=False,
                )
                | Q(
                    status__in=["succeeded", "refunded"],
                    captured__gt=0,
                    captured_currency__isnull=False,
                    paid_at__isnull=False,
                ),
                name="payment_moments",
            ),
        ]
        indexes = [
            models.Index(fields=["order"], name="payment_order"),
            models.Index(fields=["organization_id", "-id"], name="payment_list"),
            models.Index(fields=["status", "organization_id", "-id"], name="payment_status"),
            models.Index(fields=["method", "organization_id", "-id"], name="payment_method"),
            models.Index(fields=["organization_id", "updated_at"], name="payment_updated"),
            models.Index(
                fields=["gateway_payment_id"],
                name="payment_gateway_id",
                condition=Q(gateway_payment_id__isnull=False),
            ),
            models.Index(fields=["due_at"], name="payment_due", condition=Q(due_at__isnull=False)),
            models.Index(
                fields=["created_at"],
                name="payment_outcome_open",
                condition=Q(keeps_order=True, paid_at__isnull=True),
            ),
            models.Index(
                fields=["created_at"],
                name="payment_not_counting",
                condition=Q(status="succeeded", counts=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @classmethod
    def unfinished(cls) -> Q:
        """A refund that is not paid out yet is still to be heard of."""
        return super().unfinished() | Q(refunding__gt=0)

    @cached_property
    def tries(self) -> list[Attempt]:
        """The attempts, oldest first."""
        return list(self.attempts.all())

    @cached_property
    def givebacks(self) -> list[Refund]:
        """The refunds, oldest first."""
        return list(self.refunds.all())

    @property
    def attempt(self) -> Attempt:
        """The latest try."""
        return self.tries[-1]

    def knows(self, charge_id: str | None) -> bool:
        """Whether this is a charge of which it is known that it was declined."""
        return charge_id is not None and charge_id in {each.charge_id for each in self.tries}

    @property
    def retries_remaining(self) -> int:
        """How often the gateway may still decline it."""
        return MAX_ATTEMPTS - sum(attempt.declined_at is not None for attempt in self.tries)

    @property
    def is_captured(self) -> bool:
        """The money has come."""
        return self.paid_at is not None

    @property
    def held_currency(self) -> str:
        """Of what has come, or else is to come."""
        return str(self.captured_currency or self.currency)

    @property
    def refundable(self) -> Decimal:
        """What is left of the captured money, in its currency."""
        return Decimal(self.captured - self.refunded - self.refunding)

    @property
    def is_mismatched(self) -> bool:
        """Other money came than was asked for."""
        came, asked = (self.captured, self.captured_currency), (self.amount, self.currency)
        return self.is_captured and came != asked

    @property
    def is_undecided(self) -> bool:
        """The gateway may still take the money."""
        return not (self.is_captured or self.closed_at)

    def giveback(self, refund_id: str | None) -> Refund | None:
        """Return a refund by its id, if there is one."""
        return next((refund for refund in self.givebacks if refund.id == refund_id), None)

    def owed_by_gateway(self) -> list[Refund]:
        """Return the refunds that the gateway is to pay out."""
        return [refund for refund in self.owed() if not self.goes_by_hand(refund)]

    def owed_by_hand(self) -> list[Refund]:
        """Return the refunds that an operator is to pay out."""
        return [refund for refund in self.owed() if self.goes_by_hand(refund)]

    def owed(self) -> list[Refund]:
        """Return the refunds that are not paid out yet."""
        return [refund for refund in self.givebacks if refund.status == Refund.Status.PENDING]

    def goes_by_hand(self, refund: Refund) -> bool:
        """Whether an operator pays it out, and no gateway."""
        is_original = refund.method == Refund.Method.ORIGINAL_PAYMENT
        return self.method == self.Method.MANUAL or not is_original

    def expect_money(self, now: datetime) -> None:
        """It may be on its way: the order waits, and the gateway is to say what it knows."""
        self.keeps_order = True
        self.request_call(now)

    def has_questions(self) -> bool:
        """Whether there is something that the gateway has yet to say."""
        if self.method == self.Method.MANUAL:  # the rest an operator is to record
            return bool(self.status == self.Status.OPENING)
        return self.is_undecided or bool(self.owed_by_gateway())

    def schedule_call(self, now: datetime, error: str = "") -> None:
        """Decide when the gateway is asked next: later each time, and not if all is known."""
        if self.has_questions():
            self.schedule_retry(now, error)
        else:
            self.finish_call(error)
