"""The parts of a payment: its attempts, its refunds and its disputes."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from django.db import models
from django.db.models import Q
from django.utils import timezone

from config.core import request_context
from config.core.ids import PublicIdField
from config.core.money import CurrencyField, MoneyField, money
from events.aggregate import Part
from payments.events import RefundPart
from payments.refund_parts import as_goodwill, total

if TYPE_CHECKING:
    from payments.models.payment import Payment


class Attempt(Part):
    """One attempt to charge the customer, and why the gateway declined it if it did."""

    id = PublicIdField("att")
    payment = models.ForeignKey("payments.Payment", models.PROTECT, related_name="attempt_set")
    number = models.PositiveIntegerField()
    token = models.CharField(max_length=255, null=True)  # deleted once the attempt has an outcome
    first_called_at = models.DateTimeField(null=True)
    last_called_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)  # when the gateway first knew of it
    charge_id = models.CharField(max_length=255, null=True)  # of a declined attempt
    error_code = models.CharField(max_length=100, default="")
    error_message = models.CharField(max_length=500, default="")
    declined_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["payment", "number"], name="attempt_number"),
            models.UniqueConstraint(fields=["payment", "charge_id"], name="one_decline_per_charge"),
        ]

    def __str__(self) -> str:
        return f"{self.number}"

    def record_error(self, code: str, message: str) -> dict[str, str]:
        """Store why it did not succeed, and return that."""
        error = {"error_code": code[:100], "error_message": message[:500]}
        vars(self).update(error)
        return error


class Refund(Part):
    """An amount that is paid back: by the gateway, or by an operator."""

    class Status(models.TextChoices):
        PENDING = "pending"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    class Reason(models.TextChoices):
        """Why money is refunded.

        - `customer_return`: the customer returned units.
        - `order_cancelled`: the order was cancelled.
        - `units_written_off`: some units of the order will not be shipped.
        - `operator`: an operator decided it.
        - `other`: any other reason.
        """

        CUSTOMER_RETURN = "customer_return"
        ORDER_CANCELLED = "order_cancelled"
        UNITS_WRITTEN_OFF = "units_written_off"
        OPERATOR = "operator"
        OTHER = "other"

    class Method(models.TextChoices):
        ORIGINAL_PAYMENT = "original_payment"
        STORE_CREDIT = "store_credit"
        MANUAL = "manual"

    WITHDRAWN = "withdrawn"  # the error_code of a refund that an operator withdrew

    id = PublicIdField("ref")
    payment = models.ForeignKey("payments.Payment", models.PROTECT, related_name="refund_set")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    amount = MoneyField()
    currency = CurrencyField()
    reason = models.CharField(max_length=32, choices=Reason.choices)
    method = models.CharField(max_length=32, choices=Method.choices)
    cause = models.CharField(max_length=64, null=True)  # the id of the return that requested it
    # The order that replaces this one, for which the money counts now: nothing was paid out.
    moved_to = models.ForeignKey("orders.Order", models.PROTECT, null=True, related_name="+")
    # Amounts are text; [] is goodwill. During an upgrade, the old version inserts rows without it.
    parts_data = models.JSONField(default=list, db_default=[])
    requested_by = models.CharField(max_length=150)
    requested_at = models.DateTimeField(default=timezone.now)
    first_called_at = models.DateTimeField(null=True)
    gateway_refund_id = models.CharField(max_length=255, null=True)
    settled_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=100, default="")
    error_message = models.CharField(max_length=500, default="")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="refund_amount"),
            models.CheckConstraint(
                condition=Q(status="pending", settled_at=None)
                | (~Q(status="pending") & Q(settled_at__isnull=False)),
                name="refund_settled",
            ),
        ]
        indexes = [
            models.Index(fields=["payment"], name="refund_open", condition=Q(status="pending")),
            models.Index(fields=["payment"], name="refund_failed", condition=Q(status="failed")),
            models.Index(fields=["cause"], name="refund_cause", condition=Q(cause__isnull=False)),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @classmethod
    def of(
        cls, payment: "Payment", parts: Sequence[RefundPart], *, at: datetime, **fields: Any
    ) -> "Refund":
        """Return a refund of the sum of the parts."""
        return cls(
            payment=payment,
            amount=total(parts),
            parts_data=msgspec.to_builtins(parts),
            currency=payment.settlement_currency,
            requested_by=request_context.current().actor,
            requested_at=at,
            **fields,
        )

    @property
    def parts(self) -> list[RefundPart]:
        """What the refund is for."""
        stored = msgspec.convert(self.parts_data, list[RefundPart])
        return stored or as_goodwill(money(self.amount, self.currency))

    @property
    def is_by_hand(self) -> bool:
        """Whether an operator pays it out, not the gateway."""
        return self.payment.is_by_hand or self.method != self.Method.ORIGINAL_PAYMENT

    @property
    def is_pending(self) -> bool:
        """Whether the money has not been paid back yet."""
        return self.status == self.Status.PENDING
