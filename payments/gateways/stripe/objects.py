"""Converts Stripe's objects to the results of the gateway protocol."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import stripe

from config.core.money import decimals, money
from payments.gateways import DisputeResult, PaymentRequest, PaymentResult, RefundResult

Json = dict[str, Any]

# Where Stripe's minor unit is not that of ISO 4217: https://docs.stripe.com/currencies
DECIMALS = {"ISK": 2, "MGA": 0, "UGX": 2}

STATES: dict[str, Literal["waiting", "processing", "authorized", "succeeded", "cancelled"]] = {
    "requires_payment_method": "waiting",
    "requires_confirmation": "waiting",
    "requires_action": "waiting",
    "processing": "processing",
    "requires_capture": "authorized",
    "succeeded": "succeeded",
    "canceled": "cancelled",
}
# What was captured, or is reserved, by the state that says so.
AMOUNTS = {"succeeded": "amount_received", "requires_capture": "amount_capturable"}
REFUND_STATES: dict[str | None, Literal["pending", "succeeded", "failed"]] = {
    None: "pending",
    "pending": "pending",
    "requires_action": "pending",
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "failed",
}


DISPUTE_STATES: dict[str, Literal["won", "lost"]] = {"won": "won", "lost": "lost"}


def minor_units(amount: Decimal, currency: str) -> int:
    """Return the amount in Stripe's minor units. Raises InvalidRequestError, as Stripe would."""
    if amount % step(currency):
        message = f"Stripe takes {currency} in steps of {step(currency):f}, not {amount}."
        raise stripe.InvalidRequestError(  # type: ignore[no-untyped-call]
            message, param="amount", code="unsupported_amount"
        )
    return int(amount.scaleb(DECIMALS.get(currency, decimals(currency))))


def step(currency: str) -> Decimal:
    """Return the smallest amount that Stripe moves; every other one is a multiple of it."""
    exponent = DECIMALS.get(currency, decimals(currency))
    # Card networks have no third decimal.
    return Decimal(10 if exponent == 3 else 1).scaleb(-exponent)


def from_minor_units(units: int, currency: str) -> Decimal:
    """Return the amount of Stripe's minor units."""
    exponent = DECIMALS.get(currency, decimals(currency))
    return money(Decimal(units).scaleb(-exponent), currency)


def payment_result(intent: Json, reported_at: int | None = None) -> PaymentResult:
    """Return the state of a PaymentIntent.

    A webhook contains only the id of the charge, so its time of creation, `reported_at`, stands in
    for that of the charge.
    """
    error, charge = intent.get("last_payment_error"), intent.get("latest_charge")
    if error and intent["status"] == "requires_payment_method":
        return _declined(error, intent)
    if not isinstance(charge, dict):
        charge = {"id": charge, "created": reported_at}
    captured: Json = {}
    if intent["status"] in AMOUNTS:
        currency = intent["currency"].upper()
        field = AMOUNTS[intent["status"]]
        units = intent[field if field in intent else "amount"]
        card = _card(intent.get("payment_method"))
        captured = {
            "amount": from_minor_units(units, currency),
            "currency": currency,
            "paid_at": _moment(charge["created"]),
            "card_brand": card.get("brand"),
            "card_last4": card.get("last4"),
        }
    return PaymentResult(
        state=STATES[intent["status"]],
        gateway_payment_id=intent["id"],
        client_secret=intent.get("client_secret"),
        charge_id=charge["id"],
        **captured,
    )


def refused_result(error: stripe.StripeError, request: PaymentRequest) -> PaymentResult:
    """Return that Stripe does not take the payment: its amount, its currency, or the account."""
    details = _details(error, request)
    return PaymentResult(
        state="refused",
        gateway_payment_id=request.gateway_payment_id,
        error_code=details["code"] or details.get("type") or "invalid_request",
        error_message=details["message"] or "Stripe does not accept charges for this account.",
    )


def declined_result(error: stripe.CardError, request: PaymentRequest) -> PaymentResult:
    """Return the decline that an error stands for."""
    details = _details(error, request)
    intent = details.get("payment_intent") or {"id": request.gateway_payment_id}
    return _declined(details, intent, attempt_id=request.attempt_id)


def _details(error: stripe.StripeError, request: PaymentRequest) -> Json:
    """Return what Stripe says. It may repeat the token, a card number that was sent by mistake."""
    details: Json = error.error.to_dict() if error.error else {}
    details = {"code": error.code, "message": error.user_message, **details}
    if request.token and details["message"]:
        details["message"] = details["message"].replace(request.token, "…")
    return details


def _declined(error: Json, intent: Json, attempt_id: str | None = None) -> PaymentResult:
    """Return the decline. If no charge was made, the payment method identifies it."""
    method = error.get("payment_method")
    card = _card(method)
    by_method = f"{intent['id']}:{method['id']}" if intent["id"] and method else None
    return PaymentResult(
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


def refund_result(refund: Json, reported_at: int) -> RefundResult:
    """Return the state of a refund, as Stripe reported it at `reported_at`."""
    state = REFUND_STATES[refund["status"]]
    reason = refund.get("failure_reason") or refund["status"]
    failed = {"error_code": reason, "error_message": f"Stripe could not refund: {reason}."}
    return RefundResult(
        state=state,
        amount=from_minor_units(refund["amount"], refund["currency"].upper()),
        gateway_refund_id=refund["id"],
        refunded_at=_moment(reported_at) if state == "succeeded" else None,
        **(failed if state == "failed" else {}),
    )


def dispute_result(dispute: Json, reported_at: int) -> DisputeResult:
    """Return the state of a dispute, as Stripe reported it at `reported_at`."""
    return DisputeResult(
        state=DISPUTE_STATES.get(dispute["status"], "open"),
        gateway_dispute_id=dispute["id"],
        amount=from_minor_units(dispute["amount"], dispute["currency"].upper()),
        reason=dispute["reason"],
        reported_at=datetime.fromtimestamp(reported_at, UTC),
    )


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
