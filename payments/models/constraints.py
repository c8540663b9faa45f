"""What the database checks in the rows of payments, and its indexes."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round

from config.core.money import MAX_DECIMALS

CONSTRAINTS = [
    models.UniqueConstraint(
        fields=["reference", "provider", "organization_id"],
        name="one_payment_per_external_capture",
        condition=Q(reference__isnull=False),
    ),
    models.UniqueConstraint(
        fields=["order"],
        name="one_payment_on_account_per_order",
        condition=Q(method="on_account"),
    ),
    models.CheckConstraint(
        condition=Q(method="external", provider__isnull=False)
        | (~Q(method="external") & Q(reference=None)),
        name="payment_of_an_external_capture",
    ),
    models.CheckConstraint(
        condition=Q(amount__gt=0, captured__gte=0, refunded__gte=0, refunding__gte=0)
        & Q(outstanding__gte=0, outstanding__lte=F("amount"))
        # Rounded, because SQLite adds in floating point.
        & Q(captured__gte=Round(F("refunded") + F("refunding"), precision=MAX_DECIMALS)),
        name="payment_refunds_no_cent_twice",
    ),
    models.CheckConstraint(
        condition=Q(
            status__in=["opening", "pending", "authorized", "failed", "closed"],
            captured=0,
            captured_currency=None,
            paid_at=None,
            applies_to_order=False,
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
INDEXES = [
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
        condition=Q(blocks_expiry=True, paid_at__isnull=True),
    ),
    models.Index(
        fields=["created_at"],
        name="payment_not_applied",
        condition=Q(status="succeeded", applies_to_order=False),
    ),
    models.Index(
        fields=["order", "disputed_at"],
        name="payment_disputed",
        condition=Q(disputed_at__isnull=False),
    ),
    models.Index(
        fields=["organization_id", "-id"],
        name="payment_owed",
        condition=Q(method="on_account", status="pending"),
    ),
]
