"""What is known of a return: its columns, its parts, and what follows from them."""

from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db import models
from django.db.models import F, Q

from config.core import request_context
from config.core.ids import PublicIdField
from config.core.money import CurrencyField, MoneyField, TaxRateField, money
from events.aggregate import Aggregate
from returns.models.parts import Receipt, ReturnItem
from returns.models.policy import PaidBy

# Which moments a status implies: reached, and not left out on the way.
_GOES_ON = Q(ended_at=None, ended_by=None)
_ENDED = Q(ended_at__isnull=False, ended_by__isnull=False)
_APPROVED = Q(approved_at__isnull=False, approved_by__isnull=False, approved_amount__isnull=False)
_RECEIVED = _APPROVED & Q(received_at__isnull=False)
STATUS_HAS_ITS_MOMENTS = (
    (Q(status="requested", approved_at=None, received_at=None) & _GOES_ON)
    | (Q(status="approved") & _APPROVED & _GOES_ON)
    | (Q(status="received") & _RECEIVED & _GOES_ON)
    | (Q(status="refunded", refunded_at__isnull=False, refunded__gt=0) & _RECEIVED)
    | (Q(status="rejected", approved_at=None, received_at=None) & _ENDED)
    | (Q(status="cancelled", received_at=None) & _ENDED)
    | (Q(status="closed", refunded=0) & _RECEIVED & _ENDED)
)


class ReturnRecord(Aggregate):
    """The part of a return that does not move by itself."""

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

    terminal_statuses = frozenset(
        {Status.REFUNDED, Status.REJECTED, Status.CANCELLED, Status.CLOSED}
    )
    stream_field = "order_id"
    OPEN = (Status.REQUESTED, Status.APPROVED)  # when all of its units may yet come

    items: Any  # the reverse of ReturnItem.return_request
    receipts: Any  # the reverse of Receipt.return_request

    id = PublicIdField("ret")
    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="+")
    rma_number = models.CharField(max_length=20)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.REQUESTED)
    currency = CurrencyField()
    reason = models.CharField(max_length=200)
    override_reason = models.CharField(max_length=500, default="")  # why the window did not count
    requested_by = models.CharField(max_length=150)
    requested_at = models.DateTimeField()
    value = MoneyField()  # what was paid for its units
    approved_at = models.DateTimeField(null=True)
    approved_by = models.CharField(max_length=150, null=True)
    approved_amount = MoneyField(null=True)  # the most that may go back without permission
    approval_note = models.CharField(max_length=500, default="")
    # The policy's, as they were when it was approved.
    restocking_fee = TaxRateField()
    postage_paid_by = models.CharField(max_length=16, choices=PaidBy.choices, default=PaidBy.SELLER)
    return_shipping_label_url = models.URLField(max_length=1000, null=True)
    return_shipping_cost = MoneyField(default=Decimal(0))
    received_at = models.DateTimeField(null=True)  # the latest receipt so far
    accepted_value = MoneyField(default=Decimal(0))  # what was paid for the units accepted
    refund_method = models.CharField(max_length=32, choices=Method.choices, null=True)
    asked = MoneyField(default=Decimal(0))  # all refunds that payments are to have or have had
    due = MoneyField(default=Decimal(0))  # what is to have gone back, once nothing is under way
    refunded = MoneyField(default=Decimal(0))
    refunded_at = models.DateTimeField(null=True)  # the latest refund
    ended_at = models.DateTimeField(null=True)  # by somebody: rejected, cancelled or closed
    ended_by = models.CharField(max_length=150, null=True)
    ending_note = models.CharField(max_length=500, default="")

    class Meta:
        abstract = True
        permissions = [("override_return", "Can refund more than was approved")]
        constraints = [
            models.UniqueConstraint(fields=["rma_number", "organization_id"], name="rma_number"),
            models.CheckConstraint(condition=STATUS_HAS_ITS_MOMENTS, name="return_moments"),
            models.CheckConstraint(
                condition=Q(refunded__gte=0, refunded__lte=F("due"))
                & Q(due__lte=F("accepted_value"), accepted_value__lte=F("value")),
                name="return_refunds_no_more_than_came",
            ),
            models.CheckConstraint(
                condition=Q(approved_amount__isnull=True)
                | Q(approved_amount__gte=0, approved_amount__lte=F("value")),
                name="return_approved_amount",
            ),
            models.CheckConstraint(
                condition=Q(restocking_fee__gte=0, restocking_fee__lte=1)
                & Q(return_shipping_cost__gte=0),
                name="return_deductions",
            ),
        ]
        indexes = [
            models.Index(fields=["order"], name="return_order"),
            models.Index(fields=["organization_id", "-id"], name="return_list"),
            models.Index(fields=["status", "organization_id", "-id"], name="return_status"),
            models.Index(fields=["organization_id", "updated_at"], name="return_updated"),
        ]

    def __str__(self) -> str:
        return self.rma_number

    @cached_property
    def lines(self) -> list[ReturnItem]:
        """The items, in the order in which they were given."""
        return list(self.items.all())

    @cached_property
    def arrivals(self) -> list[Receipt]:
        """The receipts, oldest first."""
        return list(self.receipts.all())

    @property
    def outstanding(self) -> int:
        """Units that have yet to come."""
        return sum(line.outstanding for line in self.lines)

    @property
    def refunding(self) -> Decimal:
        """What is on its way back."""
        return Decimal(self.due - self.refunded)

    @property
    def refundable(self) -> Decimal:
        """What may still be asked for without permission, if payments have it."""
        if self.status != self.Status.RECEIVED or self.approved_amount is None:
            return Decimal(0)
        most = min(self.approved_amount, self.most(self.accepted_value))
        return max(Decimal(most - self.due), Decimal(0))

    @property
    def worth(self) -> Decimal:
        """What may still be asked for with permission, if payments have it."""
        return Decimal(self.accepted_value - self.due)

    def most(self, value: Decimal) -> Decimal:
        """Return what goes back for units of a value: less the fee, and the customer's postage."""
        fee = money(value * self.restocking_fee, self.currency)
        is_theirs = self.postage_paid_by == PaidBy.CUSTOMER
        postage = self.return_shipping_cost if is_theirs else Decimal(0)
        return max(value - fee - postage, Decimal(0))

    def held(self, item: ReturnItem) -> list[int]:
        """Return the units of a line that no other return may stand for."""
        units: list[int] = item.units
        return units if self.status in self.OPEN else units[: item.received]

    def is_approved_as(
        self,
        *,
        refund_amount: Decimal | None,
        return_shipping_label_url: str | None,
        return_shipping_cost: Decimal,
        note: str,
    ) -> bool:
        """Whether it has been approved, in these words."""
        if not self.approved_at or self.status == self.Status.CANCELLED:
            return False
        amount = self.most(self.value) if refund_amount is None else refund_amount
        said = (amount, return_shipping_label_url, return_shipping_cost, note)
        return said == (
            self.approved_amount,
            self.return_shipping_label_url,
            self.return_shipping_cost,
            self.approval_note,
        )

    def is_refunding(self, amount: Decimal | None, method: str) -> bool:
        """Whether this refund is under way, or has gone back."""
        is_done = self.status == self.Status.REFUNDED
        asked = self.refunded if is_done else self.refunding
        return bool(asked) and method == self.refund_method and amount in (None, asked)

    def has_ended_as(self, *statuses: str, note: str) -> bool:
        """Whether somebody has ended it so, with this note."""
        return bool(self.ended_at) and self.status in statuses and self.ending_note == note

    def end(self, note: str, at: datetime) -> None:
        """Remember who has ended it, when and why."""
        self.ended_at, self.ended_by, self.ending_note = at, request_context.current().actor, note
