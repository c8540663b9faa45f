"""The objects that Stripe creates: PaymentIntents, their charges, refunds, events.

Shapes and messages are those of https://docs.stripe.com/api.
"""

import contextlib
import copy
import itertools
import re
import time
from dataclasses import dataclass
from typing import Any

MINIMUM = {"usd": 50}  # https://docs.stripe.com/currencies
CARDS = {  # https://docs.stripe.com/testing
    "pm_card_visa": ("visa", "4242", "succeeds"),
    "pm_card_mastercard": ("mastercard", "4444", "succeeds"),
    "pm_card_chargeDeclined": ("visa", "0002", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": ("visa", "9995", "insufficient_funds"),
    "pm_card_authenticationRequired": ("visa", "3184", "requires_action"),
    "pm_usBankAccount": (None, None, "processing"),
}


class Refusal(Exception):
    def __init__(self, status: int, message: str, **error: Any) -> None:
        kind = {402: "card_error", 500: "api_error"}.get(status, "invalid_request_error")
        self.status, self.error = status, {"type": kind, "message": message, **error}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    params: dict[str, Any]
    key: str | None
    account: str | None


class StripeObjects:
    """All objects of all accounts; tests read them, and act for the customer and the banks."""

    def __init__(self) -> None:
        self.refund_status = "succeeded"  # of the next refund
        self.intents: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.disputes: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self._parts: dict[str, dict[str, Any]] = {}  # charges and payment methods
        self._accounts: dict[str, str | None] = {}
        self._numbers = itertools.count(1)

    def pay(self, intent_id: str, token: str) -> None:
        """The customer pays on a page of Stripe, with the client secret."""
        with contextlib.suppress(Refusal):
            self._confirm(self.intents[intent_id], token)

    def authenticate(self, intent_id: str, succeeds: bool = True) -> None:
        """The customer has completed the authentication."""
        intent = self.intents[intent_id]
        if succeeds:
            return self._succeed(intent)
        error = {
            "type": "invalid_request_error",
            "code": "payment_intent_authentication_failure",
            "message": "The provided PaymentMethod has failed authentication.",
            "payment_method": self._parts[intent["payment_method"]],
        }
        return self._fail(intent, error)

    def settle(self, intent_id: str) -> None:
        """Capture a processing payment."""
        self._succeed(self.intents[intent_id])

    def expire(self, intent_id: str) -> None:
        """End an authorization that was not captured in time."""
        self.intents[intent_id] |= {"status": "canceled", "amount_capturable": 0}
        self._tell("payment_intent.canceled", self.intents[intent_id])

    def refund_by_hand(self, intent_id: str, amount: int) -> str:
        """Refund an amount in the dashboard, in minor units; return the refund's id."""
        return str(self._refund(self.intents[intent_id], {"amount": amount})["id"])

    def open_dispute(self, intent_id: str, amount: int, status: str = "needs_response") -> str:
        """Take an amount back for a customer's bank, in minor units; return the dispute's id."""
        intent, dispute_id = self.intents[intent_id], f"dp_{next(self._numbers)}"
        self._accounts[dispute_id] = self._accounts[intent_id]
        self.disputes[dispute_id] = {
            "id": dispute_id,
            "object": "dispute",
            "amount": amount,
            "charge": intent["latest_charge"],
            "currency": intent["currency"],
            "metadata": {},
            "payment_intent": intent_id,
            "reason": "fraudulent",
            "status": status,
        }
        self._tell("charge.dispute.created", self.disputes[dispute_id])
        return dispute_id

    def decide(self, dispute_id: str, status: str) -> None:
        """End a dispute as `won` or `lost`."""
        self.disputes[dispute_id]["status"] = status
        self._tell("charge.dispute.closed", self.disputes[dispute_id])

    def finish(self, refund_id: str, status: str, reason: str | None = None) -> None:
        """Settle a pending refund."""
        refund = self.refunds[refund_id]
        refund |= {"status": status} | ({"failure_reason": reason} if reason else {})
        self._tell("refund.failed" if status == "failed" else "refund.updated", refund)

    def do(self, request: Request) -> Any:
        """Return the response. Raises Refusal."""
        params, (_, *path) = request.params, request.path.strip("/").split("/")
        match request.method, path:
            case "POST", ["payment_intents"]:
                return self._create(request)
            case "GET", ["payment_intents", "search"]:
                payment_id = re.fullmatch(r"metadata\['payment_id'\]:'(.*)'", params["query"])[1]
                found = [
                    i for i in self.intents.values() if i["metadata"]["payment_id"] == payment_id
                ]
                return {"object": "search_result", "data": found[::-1], "has_more": False}
            case "GET", ["payment_intents", intent_id]:
                return self._intent(intent_id, request.account)
            case "POST", ["payment_intents", intent_id, "confirm"]:
                intent = self._intent(intent_id, request.account)
                return self._confirm(intent, params["payment_method"])
            case "POST", ["payment_intents", intent_id, "capture"]:
                intent = self._intent(intent_id, request.account)
                self._expect(intent, "capture", "requires_capture")
                self._capture(intent, int(params["amount_to_capture"]))
                return intent
            case "POST", ["payment_intents", intent_id, "cancel"]:
                intent = self._intent(intent_id, request.account)
                self._expect(intent, "cancel", "requires")
                intent["status"] = "canceled"
                self._tell("payment_intent.canceled", intent)
                return intent
            case "POST", ["refunds"]:
                return self._refund(self._intent(params["payment_intent"], request.account), params)
            case "GET", ["refunds"]:
                intent = self._intent(params["payment_intent"], request.account)
                return {"object": "list", "data": self._refunds_of(intent)[::-1], "has_more": False}
        raise Refusal(404, f"Unrecognized request URL ({request.method}: {request.path}).")

    def _create(self, request: Request) -> dict[str, Any]:
        params, intent_id = request.params, f"pi_{next(self._numbers)}"
        if params["automatic_payment_methods"] != {"enabled": "true", "allow_redirects": "never"}:
            raise Refusal(400, "You must provide a `return_url`.")
        if params.get("payment_method") not in {None, *CARDS}:
            raise self._missing("PaymentMethod", params["payment_method"], "payment_method")
        if int(params["amount"]) < MINIMUM.get(params["currency"], 0):
            raise Refusal(400, "Amount must be at least $0.50 usd.", code="amount_too_small")
        self._accounts[intent_id] = request.account
        intent = self.intents[intent_id] = {
            "id": intent_id,
            "object": "payment_intent",
            "amount": int(params["amount"]),
            "amount_capturable": 0,
            "amount_received": 0,
            "capture_method": params.get("capture_method", "automatic"),
            "client_secret": f"{intent_id}_secret_1",
            "created": int(time.time()),
            "currency": params["currency"],
            "last_payment_error": None,
            "latest_charge": None,
            "metadata": params["metadata"],
            "payment_method": None,
            "status": "requires_payment_method",
        }
        return self._confirm(intent, params["payment_method"]) if "confirm" in params else intent

    def _confirm(self, intent: dict[str, Any], token: str) -> dict[str, Any]:
        self._expect(intent, "confirm", "requires")
        if token not in CARDS:
            raise self._missing("PaymentMethod", token, "payment_method")
        brand, last4, outcome = CARDS[token]
        method = {
            "id": f"pm_{next(self._numbers)}",
            "object": "payment_method",
            "type": "card" if last4 else "us_bank_account",
            **({"card": {"brand": brand, "last4": last4}} if last4 else {}),
        }
        self._parts[method["id"]] = method
        intent |= {"payment_method": method["id"], "last_payment_error": None}
        if outcome == "succeeds":
            self._succeed(intent)
        elif outcome in ("processing", "requires_action"):
            intent["status"] = outcome
            if outcome == "processing":
                intent["latest_charge"] = self._charge(intent, "pending")
            self._tell(f"payment_intent.{outcome}", intent)
        else:
            message = "Your card was declined."
            if outcome == "insufficient_funds":
                message = "Your card has insufficient funds."
            error = {
                "type": "card_error",
                "code": "card_declined",
                "decline_code": outcome,
                "message": message,
                "charge": self._charge(intent, "failed"),
                "payment_method": method,
            }
            self._fail(intent, error)
            raise Refusal(402, **error, payment_intent=copy.deepcopy(intent))
        return intent

    def _refund(self, intent: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        alive = [r for r in self._refunds_of(intent) if r["status"] not in ("failed", "canceled")]
        amount = int(params["amount"])
        left = intent["amount_received"] - sum(refund["amount"] for refund in alive)
        charge = intent["latest_charge"]
        if not left:
            message = f"Charge {charge} has already been refunded."
            raise Refusal(400, message, code="charge_already_refunded")
        if amount > left:
            message = (
                f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
            )
            raise Refusal(400, message, param="amount")
        refund_id = f"re_{next(self._numbers)}"
        self._accounts[refund_id] = self._accounts[intent["id"]]
        refund = self.refunds[refund_id] = {
            "id": refund_id,
            "object": "refund",
            "amount": amount,
            "charge": charge,
            "created": int(time.time()),
            "currency": intent["currency"],
            "metadata": params.get("metadata", {}),
            "payment_intent": intent["id"],
            "status": self.refund_status,
        }
        self._tell("refund.created", refund)
        return refund

    def _refunds_of(self, intent: dict[str, Any]) -> list[dict[str, Any]]:
        return [r for r in self.refunds.values() if r["payment_intent"] == intent["id"]]

    def _succeed(self, intent: dict[str, Any]) -> None:
        intent["latest_charge"] = self._charge(intent, "succeeded")
        if intent["capture_method"] == "manual":
            intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
            self._tell("payment_intent.amount_capturable_updated", intent)
        else:
            self._capture(intent, intent["amount"])

    def _capture(self, intent: dict[str, Any], amount: int) -> None:
        intent |= {"status": "succeeded", "amount_capturable": 0, "amount_received": amount}
        self._tell("payment_intent.succeeded", intent)

    def _fail(self, intent: dict[str, Any], error: dict[str, Any]) -> None:
        intent |= {
            "status": "requires_payment_method",
            "payment_method": None,
            "latest_charge": error.get("charge"),
            "last_payment_error": error,
        }
        self._tell("payment_intent.payment_failed", intent)

    def _charge(self, intent: dict[str, Any], status: str) -> str:
        charge = {"id": f"ch_{next(self._numbers)}", "object": "charge", "status": status}
        self._parts[charge["id"]] = charge | {"created": int(time.time()), "paid": True}
        return charge["id"]

    def _intent(self, intent_id: str, account: str | None) -> dict[str, Any]:
        if intent_id not in self.intents or self._accounts[intent_id] != account:
            raise self._missing("payment_intent", intent_id, "intent")
        return self.intents[intent_id]

    def _expect(self, intent: dict[str, Any], verb: str, status: str) -> None:
        if not intent["status"].startswith(status):
            raise Refusal(
                400,
                f"You cannot {verb} this PaymentIntent because it has a status of "
                f"{intent['status']}.",
                code="payment_intent_unexpected_state",
                payment_intent=intent,
            )

    def _missing(self, kind: str, given: str, param: str) -> Refusal:
        return Refusal(404, f"No such {kind}: '{given}'", code="resource_missing", param=param)

    def _tell(self, kind: str, about: dict[str, Any]) -> None:
        self.events.append(
            {
                "id": f"evt_{next(self._numbers)}",
                "object": "event",
                "account": self._accounts[about["id"]],
                "created": int(time.time()),
                "data": {"object": copy.deepcopy(about)},
                "type": kind,
            }
        )

    def expanded(self, body: Any, params: dict[str, Any]) -> Any:
        body = copy.deepcopy(body)
        for thing in body.get("data", [body]):
            for field in (name.removeprefix("data.") for name in params.get("expand", {}).values()):
                thing[field] = self._parts.get(thing[field])
        return body
