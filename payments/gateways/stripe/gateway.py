"""The calls to Stripe's API."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

import stripe
from django.conf import settings
from django.utils import timezone

from payments.gateways import (
    GatewayTimeout,
    PaymentRequest,
    PaymentResult,
    RefundRequest,
    RefundResult,
)
from payments.gateways.stripe.objects import (
    Json,
    declined_result,
    minor_units,
    payment_result,
    refund_result,
    refused_result,
)

if TYPE_CHECKING:
    from stripe.params import PaymentIntentCreateParams

TIMEOUT = 10  # seconds
KEY_LIFETIME = timedelta(hours=23)  # Stripe keeps an idempotency key for at least 24 hours
SEARCH_DELAY = timedelta(hours=1)  # a search finds new objects after a minute, rarely later
EXPANDED = ["latest_charge", "payment_method"]

# The SDK logs requests and responses, with tokens, client secrets and misplaced card numbers.
logging.getLogger("stripe").setLevel(logging.WARNING)
# Telemetry writes an id into the home directory, and fails if there is none.
stripe.enable_telemetry = False


@contextmanager
def _timeouts() -> Iterator[None]:
    """Raise GatewayTimeout for Stripe's errors, without anything that was sent."""
    try:
        yield
    except stripe.StripeError as error:
        status = error.http_status or "no response"
        request_id = f", {error.request_id}" if error.request_id else ""
        raise GatewayTimeout(f"Stripe: {type(error).__name__}, {status}{request_id}") from None


class Stripe:
    """Charges and refunds through Stripe. A rejected request is refused, not declined."""

    @_timeouts()
    def attempt(self, request: PaymentRequest) -> PaymentResult:
        """Create the PaymentIntent, or confirm it with the token of a later attempt.

        The attempt's id is the idempotency key of both, so that one attempt does one of the two.
        """
        if request.gateway_payment_id:
            if not request.token:
                return self.retrieve(request)
            return self._confirm(request, request.gateway_payment_id, request.token)
        first = request.first_called_at
        is_key_forgotten = first and timezone.now() - first > KEY_LIFETIME
        if is_key_forgotten and (found := _find(request)):
            return payment_result(found)
        return self._create(request)

    @_timeouts()
    def retrieve(self, request: PaymentRequest) -> PaymentResult:
        """Return the state of the payment, found by its metadata if its id is unknown."""
        if request.gateway_payment_id:
            return payment_result(_retrieve(request, request.gateway_payment_id))
        found = _find(request)
        return payment_result(found) if found else PaymentResult(state="waiting")

    @_timeouts()
    def capture(self, request: PaymentRequest) -> PaymentResult:
        """Capture an authorized PaymentIntent; Stripe voids what is not captured."""
        assert request.gateway_payment_id, "an authorized payment has one"
        assert request.capture_amount is not None, "and an amount to capture"
        try:
            units = minor_units(request.capture_amount, request.currency)
            intent = _client().v1.payment_intents.capture(
                request.gateway_payment_id,
                {"amount_to_capture": units, "expand": EXPANDED},
                {"stripe_account": request.account},  # a second capture is rejected
            )
        except (stripe.CardError, stripe.InvalidRequestError) as error:
            result = payment_result(_retrieve(request, request.gateway_payment_id))
            return refused_result(error, request) if result.state == "authorized" else result
        return payment_result(intent.to_dict())

    @_timeouts()
    def cancel(self, request: PaymentRequest) -> PaymentResult:
        """Cancel the PaymentIntent, unless it is captured or processing."""
        intent_id = request.gateway_payment_id
        if not intent_id:
            if not (found := _find(request)):
                return PaymentResult(state="cancelled")
            intent_id = str(found["id"])
        try:
            intent = _client().v1.payment_intents.cancel(
                intent_id, {"expand": EXPANDED}, {"stripe_account": request.account}
            )
        except stripe.InvalidRequestError:
            return payment_result(_retrieve(request, intent_id))
        return payment_result(intent.to_dict())

    @_timeouts()
    def refund(self, request: RefundRequest) -> RefundResult:
        """Create the refund. After the first call, search it first: the key may be forgotten."""
        refunds = _client().v1.refunds
        if request.first_called_at:
            existing = refunds.list(
                {"payment_intent": request.gateway_payment_id, "limit": 100},
                {"stripe_account": request.account},
            )
            for known in (refund.to_dict() for refund in existing.auto_paging_iter()):
                if (known["metadata"] or {}).get("refund_id") == request.refund_id:
                    return refund_result(known, known["created"])
        try:
            refund = refunds.create(
                {
                    "payment_intent": request.gateway_payment_id,
                    "amount": minor_units(request.amount, request.currency),
                    "metadata": {"refund_id": request.refund_id, "payment_id": request.payment_id},
                },
                {"stripe_account": request.account, "idempotency_key": request.refund_id},
            ).to_dict()
        except stripe.InvalidRequestError as error:
            return RefundResult(
                state="failed",
                error_code=error.code or "invalid_request",
                error_message=error.user_message or "",
            )
        return refund_result(refund, refund["created"])

    def _create(self, request: PaymentRequest) -> PaymentResult:
        try:
            params: PaymentIntentCreateParams = {
                "amount": minor_units(request.amount, request.currency),
                "currency": request.currency.lower(),
                # A redirect needs a return_url, and this service has no pages.
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                "metadata": {"payment_id": request.payment_id, "order_id": request.order_id},
                "expand": EXPANDED,
            }
            if request.captures_later:
                params["capture_method"] = "manual"
            if request.token:
                params["payment_method"], params["confirm"] = request.token, True
            intent = _client().v1.payment_intents.create(
                params, {"stripe_account": request.account, "idempotency_key": request.attempt_id}
            )
        except stripe.CardError as error:
            return declined_result(error, request)
        except stripe.InvalidRequestError as error:
            return refused_result(error, request)
        except (stripe.PermissionError, stripe.AuthenticationError) as error:
            return _account_refused(error, request)
        return payment_result(intent.to_dict())

    def _confirm(self, request: PaymentRequest, intent_id: str, token: str) -> PaymentResult:
        try:
            intent = _client().v1.payment_intents.confirm(
                intent_id,
                {"payment_method": token, "expand": EXPANDED},
                {"stripe_account": request.account, "idempotency_key": request.attempt_id},
            )
        except stripe.CardError as error:
            return declined_result(error, request)
        except (stripe.PermissionError, stripe.AuthenticationError) as error:
            return _account_refused(error, request)
        except stripe.IdempotencyError:
            return self.retrieve(request)  # an earlier call of this attempt has created it
        except stripe.InvalidRequestError as error:
            result = self.retrieve(request)  # Stripe rejects the confirmation of a captured one too
            is_open = result.state in ("waiting", "declined")
            return refused_result(error, request) if is_open else result
        return payment_result(intent.to_dict())


def _account_refused(
    error: stripe.PermissionError | stripe.AuthenticationError, request: PaymentRequest
) -> PaymentResult:
    """Return that the account does not exist, or is not connected to ours, or the key is wrong."""
    if request.first_called_at:  # an earlier call may have been accepted
        raise GatewayTimeout("Stripe: the account is not connected to ours any more") from None
    return refused_result(error, request)


@cache
def _client_for(key: str, base: str) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        base_addresses={"api": base},
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=TIMEOUT),  # a connection for each thread
    )


def _client() -> stripe.StripeClient:
    return _client_for(settings.STRIPE_API_KEY, settings.STRIPE_API_BASE)


def _retrieve(request: PaymentRequest, intent_id: str) -> Json:
    return (
        _client()
        .v1.payment_intents.retrieve(
            intent_id, {"expand": EXPANDED}, {"stripe_account": request.account}
        )
        .to_dict()
    )


def _find(request: PaymentRequest) -> Json | None:
    """Search the PaymentIntent of the payment; return None if it certainly does not exist."""
    if not request.last_called_at:
        return None
    found = _client().v1.payment_intents.search(
        {
            "query": f"metadata['payment_id']:'{request.payment_id}'",
            "limit": 1,
            "expand": [f"data.{name}" for name in EXPANDED],
        },
        {"stripe_account": request.account},
    )
    if not found.data and timezone.now() - request.last_called_at < SEARCH_DELAY:
        raise GatewayTimeout(f"Stripe does not find payment {request.payment_id} yet")
    return found.data[0].to_dict() if found.data else None
