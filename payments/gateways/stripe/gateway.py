"""What Stripe is asked, and when it has not answered."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

import stripe
from django.conf import settings
from django.utils import timezone

from payments.gateways import Asked, AskedBack, Charge, NoAnswer, Payout
from payments.gateways.stripe.objects import Json, charge_of, minor_units, payout_of, refused

if TYPE_CHECKING:
    from stripe.params import PaymentIntentCreateParams

TIMEOUT = 10  # seconds
FORGOTTEN = timedelta(hours=23)  # Stripe keeps an idempotency key for at least 24 hours
SEARCHABLE = timedelta(hours=1)  # a search knows what is a minute old, on a bad day less
EXPANDED = ["latest_charge", "payment_method"]

# The SDK logs what it sends and gets: tokens, client secrets, a card number sent by mistake.
logging.getLogger("stripe").setLevel(logging.WARNING)
# It would write an id into the home directory, and fail where there is none.
stripe.enable_telemetry = False


@contextmanager
def _asking() -> Iterator[None]:
    """Say what kept the answer away, and nothing of what was sent."""
    try:
        yield
    except stripe.StripeError as error:
        status = error.http_status or "no answer"
        request = f", {error.request_id}" if error.request_id else ""
        raise NoAnswer(f"Stripe: {type(error).__name__}, {status}{request}") from None


class Stripe:
    """Payments through Stripe. A request that it refuses is declined: it took no money."""

    @_asking()
    def attempt(self, asked: Asked) -> Charge:
        """Ask for the money, at once with a token; without one the customer confirms the payment.

        The attempt's id is the key of creating and of confirming, so that it does one of the two.
        """
        if asked.gateway_payment_id:
            if not asked.token:
                return self.look(asked)
            return self._confirm(asked, asked.gateway_payment_id, asked.token)
        if asked.asked_at and timezone.now() - asked.asked_at > FORGOTTEN:
            found = _find(asked)
            if found:
                return charge_of(found)
        return self._create(asked)

    @_asking()
    def look(self, asked: Asked) -> Charge:
        """Return how the payment stands."""
        if asked.gateway_payment_id:
            return charge_of(_retrieve(asked, asked.gateway_payment_id))
        found = _find(asked)
        return charge_of(found) if found else Charge(state="waiting")

    @_asking()
    def cancel(self, asked: Asked) -> Charge:
        """Take no money any more; what has come or is on its way cannot be stopped."""
        intent_id = asked.gateway_payment_id
        if not intent_id:
            found = _find(asked)
            if not found:
                return Charge(state="cancelled")
            intent_id = str(found["id"])
        try:
            intent = _client().v1.payment_intents.cancel(
                intent_id, {"expand": EXPANDED}, {"stripe_account": asked.account}
            )
        except stripe.InvalidRequestError:
            return charge_of(_retrieve(asked, intent_id))
        return charge_of(intent.to_dict())

    @_asking()
    def refund(self, asked: AskedBack) -> Payout:
        """Give money back; what was asked before is looked for first, as keys are forgotten."""
        refunds = _client().v1.refunds
        if asked.asked_at:
            of_payment = refunds.list(
                {"payment_intent": asked.gateway_payment_id, "limit": 100},
                {"stripe_account": asked.account},
            )
            for known in (refund.to_dict() for refund in of_payment.auto_paging_iter()):
                if (known["metadata"] or {}).get("refund_id") == asked.refund_id:
                    return payout_of(known, known["created"])
        try:
            refund = refunds.create(
                {
                    "payment_intent": asked.gateway_payment_id,
                    "amount": minor_units(asked.amount, asked.currency),
                    "metadata": {"refund_id": asked.refund_id, "payment_id": asked.payment_id},
                },
                {"stripe_account": asked.account, "idempotency_key": asked.refund_id},
            ).to_dict()
        except stripe.InvalidRequestError as refusal:
            return Payout(
                state="failed",
                error_code=refusal.code or "invalid_request",
                error_message=refusal.user_message or "",
            )
        return payout_of(refund, refund["created"])

    def _create(self, asked: Asked) -> Charge:
        try:
            params: PaymentIntentCreateParams = {
                "amount": minor_units(asked.amount, asked.currency),
                "currency": asked.currency.lower(),
                # What would send the customer away needs a return_url, and we have no pages.
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                "metadata": {"payment_id": asked.payment_id, "order_id": asked.order_id},
                "expand": EXPANDED,
            }
            if asked.token:
                params["payment_method"], params["confirm"] = asked.token, True
            intent = _client().v1.payment_intents.create(
                params, {"stripe_account": asked.account, "idempotency_key": asked.attempt_id}
            )
        except (stripe.CardError, stripe.InvalidRequestError) as refusal:
            return refused(refusal, asked)
        except stripe.PermissionError:
            return _not_ours(asked)
        return charge_of(intent.to_dict())

    def _confirm(self, asked: Asked, intent_id: str, token: str) -> Charge:
        try:
            intent = _client().v1.payment_intents.confirm(
                intent_id,
                {"payment_method": token, "expand": EXPANDED},
                {"stripe_account": asked.account, "idempotency_key": asked.attempt_id},
            )
        except stripe.CardError as refusal:
            return refused(refusal, asked)
        except stripe.PermissionError:
            return _not_ours(asked)
        except stripe.IdempotencyError:
            return self.look(asked)  # this attempt has created it, which we did not hear
        except stripe.InvalidRequestError as refusal:
            stands = self.look(asked)  # one that has succeeded refuses too
            return refused(refusal, asked) if stands.state in ("waiting", "declined") else stands
        return charge_of(intent.to_dict())


def _not_ours(asked: Asked) -> Charge:
    """Return the decline that it is if Stripe knows no such account, or not as one of ours."""
    if asked.asked_at:  # an earlier call may have been let in
        raise NoAnswer("Stripe: the account is not one of ours any more") from None
    return Charge(
        state="declined",
        gateway_payment_id=asked.gateway_payment_id,
        charge_id=asked.attempt_id,
        error_code="account_refused",
        error_message="Stripe does not let us take money for this account.",
    )


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


def _retrieve(asked: Asked, intent_id: str) -> Json:
    return (
        _client()
        .v1.payment_intents.retrieve(
            intent_id, {"expand": EXPANDED}, {"stripe_account": asked.account}
        )
        .to_dict()
    )


def _find(asked: Asked) -> Json | None:
    """Return the PaymentIntent that we know no id of, None if there surely is none."""
    if not asked.asked_last_at:
        return None
    found = _client().v1.payment_intents.search(
        {
            "query": f"metadata['payment_id']:'{asked.payment_id}'",
            "limit": 1,
            "expand": [f"data.{name}" for name in EXPANDED],
        },
        {"stripe_account": asked.account},
    )
    if not found.data and timezone.now() - asked.asked_last_at < SEARCHABLE:
        raise NoAnswer(f"Stripe finds no payment {asked.payment_id}, or not yet")
    return found.data[0].to_dict() if found.data else None
