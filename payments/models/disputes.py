"""Disputes of payments with the customers' banks."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec
from django.db import models

from events.aggregate import Aggregate, transition
from events.schema import Event
from payments import events
from payments.models.choices import CAPTURED


class DisputeStatus(models.TextChoices):
    """The status of a dispute.

    - `open`: the bank has not decided.
    - `won`: the shop keeps the money.
    - `lost`: the money went back to the customer, which is recorded as a refund.
    """

    OPEN = "open"
    WON = "won"
    LOST = "lost"


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's bank takes a payment back until it has decided. `id` is the gateway's.

    Disputes are rare, so they are stored in their payment, and no read of payments costs a query.
    """

    id: str
    status: str = DisputeStatus.OPEN.value
    amount: Decimal
    currency: str
    reason: str
    opened_at: datetime
    closed_at: datetime | None = None


class Disputable(Aggregate):
    """What a payment has for its disputes."""

    disputed_at = models.DateTimeField(null=True)  # since then a dispute is open
    disputes_data = models.JSONField(default=list, db_default=[])

    class Meta:
        abstract = True

    @property
    def disputes(self) -> list[Dispute]:
        """The disputes, oldest first."""
        return msgspec.convert(self.disputes_data, list[Dispute])

    @transition(source=CAPTURED, target=None, emits=events.PaymentDisputed)
    def dispute(self, *, dispute: Dispute) -> Event:
        """Record that the customer's bank takes the money back until it has decided."""
        self._store([*self.disputes, dispute])
        return events.PaymentDisputed.of(
            self, dispute_id=dispute.id, amount=dispute.amount, reason=dispute.reason
        )

    @transition(source=CAPTURED, target=None, emits=events.PaymentDisputeEnded)
    def end_dispute(self, *, ended: Dispute) -> Event:
        """Record what the bank has decided."""
        self._store([ended if each.id == ended.id else each for each in self.disputes])
        return events.PaymentDisputeEnded.of(self, dispute_id=ended.id, outcome=ended.status)

    def _store(self, disputes: Sequence[Dispute]) -> None:
        self.disputes_data = msgspec.to_builtins(disputes)
        still_open = (each.opened_at for each in disputes if each.closed_at is None)
        self.disputed_at = next(still_open, None)
