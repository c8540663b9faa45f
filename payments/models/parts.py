"""What a payment is made of. Each part is saved by the payment that it belongs to."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from config.core.ids import PublicIdField
from config.core.money import CurrencyField, MoneyField
from events.aggregate import Part


class Attempt(Part):
    """One try to take the money, and why the gateway declined it if it did."""

    id = PublicIdField("att")
    payment = models.ForeignKey("payments.Payment", models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField()
    token = models.CharField(max_length=255, null=True)  # how to pay, until that is settled
    asked_at = models.DateTimeField(null=True)  # the first time that the gateway was asked
    asked_last_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)  # when the gateway first knew of it
    charge_id = models.CharField(max_length=255, null=True)  # of what was declined
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


class Refund(Part):
    """Money that goes back, whatever asked for it and however it is paid out."""

    class Status(models.TextChoices):
        PENDING = "pending"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    class Reason(models.TextChoices):
        CUSTOMER_RETURN = "customer_return"
        ORDER_CANCELLED = "order_cancelled"
        UNITS_WRITTEN_OFF = "units_written_off"
        OPERATOR = "operator"
        OTHER = "other"

    class Method(models.TextChoices):
        ORIGINAL_PAYMENT = "original_payment"
        STORE_CREDIT = "store_credit"
        MANUAL = "manual"

    WITHDRAWN = "withdrawn"  # the error of one that an operator gave up

    id = PublicIdField("ref")
    payment = models.ForeignKey("payments.Payment", models.PROTECT, related_name="refunds")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    amount = MoneyField()
    currency = CurrencyField()
    reason = models.CharField(max_length=32, choices=Reason.choices)
    method = models.CharField(max_length=32, choices=Method.choices)
    cause = models.CharField(max_length=64, null=True)  # the id of what asked for it
    requested_by = models.CharField(max_length=150)
    requested_at = models.DateTimeField(default=timezone.now)
    asked_at = models.DateTimeField(null=True)  # the first time that the gateway was asked
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
