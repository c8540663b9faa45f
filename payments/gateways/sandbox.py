"""A gateway for trying things out: what happens is in the token, and no money moves."""

from decimal import Decimal
from typing import Any

from django.conf import settings

from config.core.money import decimals
from payments.gateways import Asked, AskedBack, Charge, NoAnswer, Payout

TOKENS = {
    "tok_ok": "the money comes at once",
    "tok_declined": "the card is declined",
    "tok_timeout": "the money comes, but the answer is lost: the timer finds it",
    "tok_slow": "the money is on its way until the gateway is asked again",
    "tok_wrong_amount": "a little more comes than was asked for",
}
CARD = {"card_brand": "visa", "card_last4": "4242"}


class Sandbox:
    """Keeps nothing: the answer follows from the token, and from whether it was asked before."""

    def attempt(self, asked: Asked) -> Charge:
        self._expect_on()
        match asked.token:
            case None:
                return self._charge(asked, state="waiting")
            case "tok_declined":
                return self._charge(
                    asked,
                    state="declined",
                    charge_id=f"sandbox_{asked.attempt_id}",
                    error_code="card_declined",
                    error_message="Your card was declined",
                )
            case "tok_timeout" if asked.asked_at is None:
                raise NoAnswer("The sandbox did not answer in time.")
            case "tok_slow":
                return self._charge(asked, state="processing")
            case "tok_wrong_amount":
                cent = Decimal(1).scaleb(-decimals(asked.currency))
                return self._captured(asked, asked.amount + cent)
        return self._captured(asked, asked.amount)

    def look(self, asked: Asked) -> Charge:
        self._expect_on()
        if asked.token == "tok_slow":
            return self._captured(asked, asked.amount)
        return self._charge(asked, state="waiting")

    def cancel(self, asked: Asked) -> Charge:
        return self._charge(asked, state="cancelled")

    def refund(self, asked: AskedBack) -> Payout:
        return Payout(state="succeeded", gateway_refund_id=f"sandbox_{asked.refund_id}")

    def _expect_on(self) -> None:
        if not settings.PAYMENT_SANDBOX:
            raise NoAnswer("The sandbox is off: PAYMENT_SANDBOX=true turns it on.")

    def _captured(self, asked: Asked, amount: Decimal) -> Charge:
        return self._charge(
            asked, state="succeeded", amount=amount, currency=asked.currency, **CARD
        )

    def _charge(self, asked: Asked, **charge: Any) -> Charge:
        return Charge(gateway_payment_id=f"sandbox_{asked.payment_id}", **charge)
