"""What the database checks in the rows of returns, and its indexes."""

from django.db import models
from django.db.models import F, Q

# The timestamps that each status requires.
_NOT_ENDED = Q(ended_at=None, ended_by=None)
_ENDED = Q(ended_at__isnull=False, ended_by__isnull=False)
_APPROVED = Q(approved_at__isnull=False, approved_by__isnull=False, approved_amount__isnull=False)
_RECEIVED = _APPROVED & Q(received_at__isnull=False)
STATUS_HAS_ITS_TIMESTAMPS = (
    (Q(status="requested", approved_at=None, received_at=None) & _NOT_ENDED)
    | (Q(status="approved") & _APPROVED & _NOT_ENDED)
    | (Q(status="received") & _RECEIVED & _NOT_ENDED)
    | (Q(status="refunded", refunded_at__isnull=False, refunded_amount__gt=0) & _RECEIVED)
    | (Q(status="rejected", approved_at=None, received_at=None) & _ENDED)
    | (Q(Q(received_at=None) | Q(counts_as_lost=True), status="cancelled") & _ENDED)
    | (Q(status="closed", refunded_amount=0) & _RECEIVED & _ENDED)
)

CONSTRAINTS = [
    models.UniqueConstraint(fields=["rma_number", "organization_id"], name="rma_number"),
    models.CheckConstraint(condition=STATUS_HAS_ITS_TIMESTAMPS, name="return_timestamps"),
    models.CheckConstraint(
        condition=Q(refunded_amount__gte=0, refunded_amount__lte=F("due_amount"))
        & Q(due_amount__lte=F("accepted_value"), accepted_value__lte=F("value")),
        name="return_refunds_at_most_the_accepted_value",
    ),
    models.CheckConstraint(
        condition=Q(approved_amount__isnull=True)
        | Q(approved_amount__gte=0, approved_amount__lte=F("value")),
        name="return_approved_amount",
    ),
    models.CheckConstraint(
        condition=Q(restocking_fee__gte=0, restocking_fee__lte=1) & Q(return_shipping_cost__gte=0),
        name="return_deductions",
    ),
]
INDEXES = [
    models.Index(fields=["order"], name="return_order"),
    models.Index(fields=["organization_id", "-id"], name="return_list"),
    models.Index(fields=["status", "organization_id", "-id"], name="return_status"),
    models.Index(fields=["organization_id", "updated_at"], name="return_updated"),
]
