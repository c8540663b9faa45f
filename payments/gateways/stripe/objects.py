"""Stripe's objects, read into what a payment and a refund are to us."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import stripe

from config.core.money import decimals, money
from payments.gateways import Asked, Charge, Payout

Json = dict[str, Any]

# Where Stripe's minor unit is not that of ISO 4217: https://docs.stripe.com/currencies
DECIMALS = {"ISK": 2, "MGA": 0, "UGX": 2}

STATES: dict[str, Literal["waiting", "processing", "succeeded", "cancelled"]] = {
    "requires_payment_method": "waiting",
    "requires_confirmation": "waiting",
    "requires_action": "waiting",
    "processing": "processing",
    "requires_capture": "processing",
    "succeeded": "succeeded",
    "canceled": "cancelled",
}
REFUND_STATES: dict[str | None, Literal["pending", "succeeded", "failed"]] = {
    None: "pending",
    "pending": "pending",
    "requires_action": "pending",
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "failed",
}


def minor_units(amount: Decimal, currency: str) -> int:
    """Return the amount as Stripe counts it. Raises InvalidRequestError, as it would itself."""
    exponent = DECIMALS.get(currency, decimals(currency))
    step = 10 if exponent == 3 else 1  # cards know no third decimal
    units = amount.scaleb(exponent)
    if units % step:
        smallest = Decimal(step).scaleb(-exponent)
        message = f"Stripe takes {currency} in steps of {smallest:f}, not {amount}."
        raise stripe.InvalidRequestError(  # type: ignore[no-untyped-call]
            message, param="amount", code="unsupported_amount"
        )
    return int(units)


def charge_of(intent: Json, told_at: int | None = None) -> Charge:
    """Return how a PaymentIntent stands; a webhook, told at some time, has the charge's id only."""
    error, charge = intent.get("last_payment_error"), intent.get("latest_charge")
    if error and intent["status"] == "requires_payment_method":
        return _declined(error, intent)
    made: Json = charge if isinstance(charge, dict) else {"id": charge, "created": told_at}
    paid: Json = {}
    if intent["status"] == "succeeded":
        currency = intent["currency"].upper()
        units = intent["amount_received" if "amount_received" in intent else "amount"]
        exponent = DECIMALS.get(currency, decimals(currency))
        card = _card(intent.get("payment_method"))
        paid = {
            "amount": money(Decimal(units).scaleb(-exponent), currency),
            "currency": currency,
            "paid_at": _moment(made["created"]),
            "card_brand": card.get("brand"),
            "card_last4": card.get("last4"),
        }
    return Charge(
        state=STATES[intent["status"]],
        gateway_payment_id=intent["id"],
        client_secret=intent.get("client_secret"),
        charge_id=made["id"],
        **paid,
    )


def refused(refusal: stripe.CardError | stripe.InvalidRequestError, asked: Asked) -> Charge:
    """Return the decline that an error is; it may repeat the token, be it a card's number."""
    error: Json = refusal.error.to_dict() if refusal.error else {}
    error = {"code": refusal.code, "message": refusal.user_message, **error}
    if asked.token and error["message"]:
        error["message"] = error["message"].replace(asked.token, "…")
    intent = error.get("payment_intent") or {"id": asked.gateway_payment_id}
    return _declined(error, intent, attempt_id=asked.attempt_id)


def _declined(error: Json, intent: Json, attempt_id: str | None = None) -> Charge:
    """Return the decline; where no charge was made, its payment method tells it from others."""
    method = error.get("payment_method")
    card = _card(method)
    by_method = f"{intent['id']}:{method['id']}" if intent["id"] and method else None
    return Charge(
        state="declined",
        gateway_payment_id=intent["id"],
        client_secret=intent.get("client_secret"),
        charge_id=error.get("charge") or by_method or attempt_id or intent["id"],
        error_code=error.get("code") or error.get("type") or "declined",
        error_message=error.get("message") or "",
        card_brand=card.get("brand"),
        card_last4=card.get("last4"),
    )


def _card(method: Json | str | None) -> Json:
    return (method.get("card") if isinstance(method, dict) else None) or {}


def payout_of(refund: Json, at: int) -> Payout:
    """Return how a refund stands; `at` is when Stripe said so."""
    state = REFUND_STATES[refund["status"]]
    reason = refund.get("failure_reason") or refund["status"]
    failed = {"error_code": reason, "error_message": f"Stripe could not refund: {reason}."}
    return Payout(
        state=state,
        gateway_refund_id=refund["id"],
        refunded_at=_moment(at) if state == "succeeded" else None,
        **(failed if state == "failed" else {}),
    )


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
