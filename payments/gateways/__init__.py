"""Payment gateways: the protocol that each implements, its requests and its results."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol


class GatewayTimeout(Exception):
    """The gateway did not report a result. The call must be repeated."""


@dataclass(frozen=True, kw_only=True)
class PaymentRequest:
    """A payment, as a gateway is called for it. Our ids are the idempotency keys.

    `amount` is in `currency` and has its decimals. `account` is the organization's at the gateway.
    `token` is the payment method that the customer chose; without one the customer confirms the
    payment at the gateway. `gateway_payment_id` is None until the gateway has assigned one.
    `first_called_at` and `last_called_at` are the earlier calls for this attempt, None before the
    first. If it `captures_later`, the gateway reserves the amount until `capture` is called, for
    `capture_amount`.
    """

    payment_id: str
    order_id: str
    attempt_id: str
    amount: Decimal
    currency: str
    account: str | None
    token: str | None = field(repr=False)
    gateway_payment_id: str | None
    first_called_at: datetime | None
    last_called_at: datetime | None
    captures_later: bool = False
    capture_amount: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class PaymentResult:
    """The state of a payment at its gateway.

    `waiting`: for the customer. `processing`: a capture may be under way. `amount` and `currency`
    are what was captured, or what is `authorized`. `charge_id` distinguishes one decline from
    another. `refused`: the gateway cannot take the payment at all, which is no decline.
    """

    state: Literal[
        "waiting", "processing", "authorized", "succeeded", "declined", "refused", "cancelled"
    ]
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
class RefundRequest:
    """A refund, as a gateway is called for it. `first_called_at` is None before the first call."""

    refund_id: str
    payment_id: str
    gateway_payment_id: str
    amount: Decimal
    currency: str
    account: str | None
    first_called_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class RefundResult:
    """The state of a refund at its gateway."""

    state: Literal["pending", "succeeded", "failed"]
    amount: Decimal | None = None
    gateway_refund_id: str | None = None
    refunded_at: datetime | None = None
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True, kw_only=True)
class DisputeResult:
    """The state of a dispute at its gateway."""

    state: Literal["open", "won", "lost"]
    gateway_dispute_id: str
    amount: Decimal
    reason: str
    reported_at: datetime


@dataclass(frozen=True, kw_only=True)
class WebhookEvent:
    """What a gateway's webhook reports about a payment, a refund of it, or a dispute.

    A refund that was made at the gateway itself has no `refund_id`, and like a dispute it may name
    the payment by the gateway's id only.
    """

    event_id: str
    event_type: str
    account: str | None
    payment_id: str | None = None
    gateway_payment_id: str | None = None
    payment_result: PaymentResult | None = None
    refund_id: str | None = None
    refund_result: RefundResult | None = None
    dispute_result: DisputeResult | None = None

    @property
    def subject(self) -> str:
        return self.payment_id or str(self.gateway_payment_id)


class Gateway(Protocol):
    """A way to capture and refund money. Every call may raise GatewayTimeout."""

    def attempt(self, request: PaymentRequest) -> PaymentResult:
        """Charge the customer, once for each attempt however often this is called."""

    def retrieve(self, request: PaymentRequest) -> PaymentResult:
        """Return the state of the payment."""

    def capture(self, request: PaymentRequest) -> PaymentResult:
        """Capture `capture_amount` of an authorized payment, once, and void the rest."""

    def cancel(self, request: PaymentRequest) -> PaymentResult:
        """Cancel the payment unless it is captured; return its state."""

    def refund(self, request: RefundRequest) -> RefundResult:
        """Pay a refund out, once however often this is called for it."""
