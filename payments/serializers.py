"""The requests and responses of the payments' API."""

import re
from decimal import Decimal
from typing import Any

from rest_framework import serializers

import orders.selectors
from config.api.serializers import (
    Body,
    Choice,
    CurrencyCode,
    ExternalId,
    MoneyIn,
    MoneyOut,
    OwnId,
)
from events.serializers import AllowedActions
from payments import models

PAYMENT_ID = "pay_01JCZ5D0KQ3N6R9V2X5Z8B1E4G"  # in examples
REFUND_ID = "ref_01JCZ6A1B2C3D4E5F6G7H8J9K0"
ORDER_ID = "order_01JCZ5B2QH8M3T6R9W1K4X7V0B"
TOKEN_HELP = (
    "The gateway's token of the card: `pm_…` at Stripe, `tok_…` in the sandbox. Leave it out for "
    "`manual`. Without it, the customer pays at Stripe with the `client_secret`."
)


class GatewayToken(ExternalId):
    """The id that a gateway has given to a card, never a card number."""

    default_error_messages = {"card": "This is a card number: send the gateway's id of the card."}

    def __init__(self) -> None:
        super().__init__(
            source="token", max_length=255, default=None, allow_null=True, help_text=TOKEN_HELP
        )

    def to_internal_value(self, data: Any) -> str:
        token = super().to_internal_value(data)
        if re.fullmatch(r"[0-9][0-9 -]{10,21}[0-9]", token):
            self.fail("card")
        return token


class PaymentCreate(Body):
    """A payment of the amount that is due for an order."""

    example = {"order_id": ORDER_ID, "payment_method": "stripe"}
    order_id = OwnId(orders.selectors.with_lines, get_for_update=orders.selectors.get_for_update)
    payment_method = Choice(models.Payment.Method, "PaymentMethod", source="method")
    gateway_token = GatewayToken()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["method"] == models.Payment.Method.MANUAL and attrs["token"]:
            message = "A manual payment has no token: leave it out."
            raise serializers.ValidationError({"gateway_token": message})
        return attrs


class ManualPaymentCreate(Body):
    """A payment in cash or by bank transfer."""

    order_id = OwnId(orders.selectors.with_lines, get_for_update=orders.selectors.get_for_update)


class PaymentRetry(Body):
    """Another attempt, possibly with another card."""

    example = {"gateway_token": "pm_card_mastercard"}
    gateway_token = GatewayToken()


class PaymentCapture(Body):
    """Money that was received in cash, by bank transfer, or on another card terminal."""

    card_last4 = serializers.RegexField(
        r"^[0-9]{4}$",
        default=None,
        allow_null=True,
        help_text="The last four digits of a card that was charged on another terminal.",
        error_messages={"invalid": "Send only the last four digits of the card."},
    )


class RefundCreate(Body):
    """A refund of `amount`, in the captured currency."""

    example = {"amount": "12.50", "reason": "operator"}
    amount = MoneyIn()
    reason = Choice(models.Refund.Reason, "RefundReason")

    def validate_amount(self, amount: Decimal) -> Decimal:
        if not amount:
            raise serializers.ValidationError("The amount must be greater than 0.")
        return amount


class OperatorRefund(RefundCreate):
    """A refund by an operator, who chooses the method."""

    method = Choice(
        models.Refund.Method, "RefundMethod", default=models.Refund.Method.ORIGINAL_PAYMENT
    )


class ManualRefund(Body):
    """A refund that an operator pays out, not the gateway."""

    example = {"refund_id": REFUND_ID}
    refund_id = ExternalId()


class PaymentAttempt(serializers.Serializer[Any]):
    """One attempt to charge the customer, and why the gateway declined it if it did."""

    number = serializers.IntegerField()
    error_code = serializers.CharField()
    error_message = serializers.CharField()
    declined_at = serializers.DateTimeField(allow_null=True)


class Refund(serializers.Serializer[Any]):
    """A refund, which a gateway or an operator pays out."""

    id = serializers.CharField()
    payment_id = serializers.CharField()
    status = Choice(models.Refund.Status, "RefundStatus")
    amount = MoneyOut()
    currency = CurrencyCode()
    reason = Choice(models.Refund.Reason, "RefundReason")
    method = Choice(models.Refund.Method, "RefundMethod")
    cause = serializers.CharField(allow_null=True, help_text="The return that requested it.")
    error_code = serializers.CharField()
    error_message = serializers.CharField()
    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)


class Payment(serializers.Serializer[Any]):
    """A payment: the charged, the captured and the refunded amount."""

    id = serializers.CharField()
    order_id = serializers.CharField()
    status = Choice(models.Payment.Status, "PaymentStatus")
    payment_method = Choice(models.Payment.Method, "PaymentMethod", source="method")
    amount = MoneyOut()
    currency = CurrencyCode()
    gateway_payment_id = serializers.CharField(allow_null=True)
    client_secret = serializers.SerializerMethodField(
        help_text="For the customer's browser, while the customer can still pay. Null in lists."
    )
    retries_remaining = serializers.IntegerField(
        help_text="The number of attempts that the order has left: three, less the declined ones "
        "of this and of its earlier payments."
    )
    attempts = PaymentAttempt(many=True)
    captured = MoneyOut(currency="settlement_currency")
    captured_currency = serializers.CharField(allow_null=True)
    is_mismatched = serializers.BooleanField(
        help_text="Whether another amount or currency was captured than `amount`. Until the "
        "payment is applied or refunded, the order is on hold."
    )
    card_brand = serializers.CharField(allow_null=True)
    card_last4 = serializers.CharField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)
    refunded = MoneyOut(currency="settlement_currency")
    refunding = MoneyOut(currency="settlement_currency", help_text="The amount of pending refunds.")
    max_refundable = MoneyOut(currency="settlement_currency", source="refundable")
    refunds = Refund(many=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    allowed_actions = AllowedActions(models.Payment)

    def get_client_secret(self, payment: models.Payment) -> str | None:
        may_pay = not (payment.is_captured or payment.abandoned_at)
        is_listed = self.context["view"].action == "list"
        return payment.client_secret if may_pay and not is_listed else None
