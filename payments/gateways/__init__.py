"""The outside world of payments: what every gateway is asked, and what it answers."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol


class NoAnswer(Exception):
    """The gateway did not say what came of it: not a failure, ask again."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A payment as its gateway is asked for it. Ids of ours are the keys of idempotency.

    `amount` is in `currency`, with its decimals. `account` is the organization's at the gateway.
    `token` is how the customer pays, None where the customer says so to the gateway itself.
    `gateway_payment_id` is None until the gateway has given one. `asked_at` is when this attempt
    was first asked for, None if it never was, and `asked_last_at` when it last was.
    """

    payment_id: str
    order_id: str
    attempt_id: str
    amount: Decimal
    currency: str
    account: str | None
    token: str | None = field(repr=False)
    gateway_payment_id: str | None
    asked_at: datetime | None
    asked_last_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Charge:
    """A payment as its gateway sees it.

    `waiting` is for the customer; `processing` means that the money may be on its way. `amount`
    and `currency` are what came. `charge_id` tells one decline from the next.
    """

    state: Literal["waiting", "processing", "succeeded", "declined", "cancelled"]
    gateway_payment_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    charge_id: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    paid_at: datetime | None = None
    card_brand: str | None = None
    card_last4: str | None = None
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True, kw_only=True)
class AskedBack:
    """A refund as the gateway is asked for it; `asked_at` is when it first was, if ever."""

    refund_id: str
    payment_id: str
    gateway_payment_id: str
    amount: Decimal
    currency: str
    account: str | None
    asked_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Payout:
    """A refund as its gateway sees it."""

    state: Literal["pending", "succeeded", "failed"]
    gateway_refund_id: str | None = None
    refunded_at: datetime | None = None
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What a gateway's webhook tells: about a payment of ours, or about a refund of one."""

    event_id: str
    kind: str
    account: str | None
    payment_id: str
    charge: Charge | None = None
    refund_id: str | None = None
    payout: Payout | None = None

    @property
    def subject(self) -> str:
        return self.payment_id


class Gateway(Protocol):
    """A way to take money and to give it back. Every call raises NoAnswer."""

    def attempt(self, asked: Asked) -> Charge:
        """Ask for the money, once however often this is called for an attempt."""

    def look(self, asked: Asked) -> Charge:
        """Return how the payment stands."""

    def cancel(self, asked: Asked) -> Charge:
        """Take no money any more; return how the payment stands."""

    def refund(self, asked: AskedBack) -> Payout:
        """Give money back, once however often this is called for a refund."""
