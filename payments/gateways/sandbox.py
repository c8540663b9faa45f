"""A gateway for development and tests: the token decides the result, and no money moves."""

from decimal import Decimal
from typing import Any

from django.conf import settings

from config.core.money import decimals
from payments.gateways import (
    GatewayTimeout,
    PaymentRequest,
    PaymentResult,
    RefundRequest,
    RefundResult,
)

TOKENS = {
    "tok_ok": "captured immediately",
    "tok_declined": "the card is declined",
    "tok_timeout": "captured, but the response is lost; a retry finds it",
    "tok_slow": "processing until the gateway is called again",
    "tok_wrong_amount": "one minor unit more is captured than was charged",
    "tok_refused": "the gateway cannot take the payment, which is no decline",
}
CARD = {"card_brand": "visa", "card_last4": "4242"}


class Sandbox:
    """Stores nothing: the result depends on the token and on whether it was called before."""

    def attempt(self, request: PaymentRequest) -> PaymentResult:
        self._check_enabled()
        match request.token:
            case None:
                return self._result(request, state="waiting")
            case "tok_declined":
                return self._result(
                    request,
                    state="declined",
                    charge_id=f"sandbox_{request.attempt_id}",
                    error_code="card_declined",
                    error_message="Your card was declined",
                )
            case "tok_timeout" if request.first_called_at is None:
                raise GatewayTimeout("The sandbox did not respond in time.")
            case "tok_slow":
                return self._result(request, state="processing")
            case "tok_refused":
                return self._result(
                    request,
                    state="refused",
                    error_code="unsupported_amount",
                    error_message="The sandbox does not take this amount.",
                )
            case _ if request.captures_later:
                return self._authorized(request)
            case "tok_wrong_amount":
                cent = Decimal(1).scaleb(-decimals(request.currency))
                return self._captured(request, request.amount + cent)
        return self._captured(request, request.amount)

    def retrieve(self, request: PaymentRequest) -> PaymentResult:
        self._check_enabled()
        if request.token == "tok_slow":
            is_later = request.captures_later
            return (
                self._authorized(request) if is_later else self._captured(request, request.amount)
            )
        return self._result(request, state="waiting")

    def capture(self, request: PaymentRequest) -> PaymentResult:
        self._check_enabled()
        return self._captured(request, request.capture_amount or request.amount)

    def cancel(self, request: PaymentRequest) -> PaymentResult:
        return self._result(request, state="cancelled")

    def refund(self, request: RefundRequest) -> RefundResult:
        return RefundResult(state="succeeded", gateway_refund_id=f"sandbox_{request.refund_id}")

    def _check_enabled(self) -> None:
        if not settings.PAYMENT_SANDBOX:
            raise GatewayTimeout(
                "The sandbox gateway is disabled: PAYMENT_SANDBOX=true enables it."
            )

    def _authorized(self, request: PaymentRequest) -> PaymentResult:
        return self._result(
            request, state="authorized", amount=request.amount, currency=request.currency, **CARD
        )

    def _captured(self, request: PaymentRequest, amount: Decimal) -> PaymentResult:
        return self._result(
            request, state="succeeded", amount=amount, currency=request.currency, **CARD
        )

    def _result(self, request: PaymentRequest, **result: Any) -> PaymentResult:
        return PaymentResult(gateway_payment_id=f"sandbox_{request.payment_id}", **result)
