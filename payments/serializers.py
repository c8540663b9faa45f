"""The requests and responses of the payments' API."""

import re
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

import orders.selectors
from config.api.serializers import (
    Body,
    Choice,
    CurrencyCode,
    ExternalId,
    ItemList,
    Moment,
    MoneyIn,
    MoneyOut,
    OwnId,
    Quantity,
    StrictSerializer,
)
from events.serializers import AllowedActions
from payments import models

PAYMENT_ID = "pay_01JCZ5D0KQ3N6R9V2X5Z8B1E4G"  # in examples
REFUND_ID = "ref_01JCZ6A1B2C3D4E5F6G7H8J9K0"
ORDER_ID = "order_01JCZ5B2QH8M3T6R9W1K4X7V0B"
ITEM_ID = "item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF"
MAX_ITEMS = 500
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


class PositiveAmount(MoneyIn):
    """An amount of more than 0."""

    default_error_messages = {"zero": "The amount must be greater than 0."}

    def __init__(self, *, required: bool = False, **kwargs: Any) -> None:
        optional = {} if required else {"default": None, "allow_null": True}
        super().__init__(**optional, **kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        amount = super().to_internal_value(data)
        if not amount:
            self.fail("zero")
        return amount


CAPTURABLE = (models.Payment.Method.STRIPE, models.Payment.Method.SANDBOX)
STARTED = (*CAPTURABLE, models.Payment.Method.MANUAL)


class PaymentCreate(Body):
    """A payment for an order: of all that is due, or of an `amount` besides its other payments."""

    example = {"order_id": ORDER_ID, "payment_method": "stripe"}
    order_id = OwnId(orders.selectors.with_lines, get_for_update=orders.selectors.get_for_update)
    payment_method = Choice(
        models.Payment.Method,
        "PaymentMethod",
        source="method",
        help_text="`stripe`, `manual` or `sandbox`: the others are started in other ways.",
    )
    amount = PositiveAmount(
        help_text="A part of what is due. Without it, all that is due is charged, and payments "
        "that were started before and are not captured are abandoned."
    )
    gateway_token = GatewayToken()
    capture_later = serializers.BooleanField(
        source="captures_later",
        default=False,
        help_text="Only authorize the amount: capture or void it later.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        method, errors = attrs["method"], dict[str, str]()
        if method not in STARTED:
            errors["payment_method"] = f"Send {', '.join(STARTED)}, not {method}."
        elif method not in CAPTURABLE and attrs["token"]:
            errors["gateway_token"] = "A manual payment has no token: leave it out."
        elif method not in CAPTURABLE and attrs["captures_later"]:
            errors["capture_later"] = "A manual payment cannot be authorized: leave it out."
        if errors:
            raise serializers.ValidationError(errors)
        return attrs


class ExternalPaymentCreate(Body):
    """Money that another system has captured: a gift card, store credit, a bank's statement."""

    example = {
        "order_id": ORDER_ID,
        "amount": "30.00",
        "provider": "gift_card",
        "reference": "GC-4711/2",
    }
    order_id = OwnId(orders.selectors.with_lines, get_for_update=orders.selectors.get_for_update)
    amount = PositiveAmount(required=True)
    provider = ExternalId(help_text="The system that has captured the money.")
    reference = ExternalId(
        max_length=255, help_text="The provider's id of the capture, which is recorded once."
    )
    paid_at = Moment(default=None, allow_null=True, help_text="When the money was captured.")


class ManualPaymentCreate(Body):
    """A payment in cash or by bank transfer."""

    order_id = OwnId(orders.selectors.with_lines, get_for_update=orders.selectors.get_for_update)
    amount = PositiveAmount(help_text="By default, all that is due.")


class PaymentRetry(Body):
    """Another attempt, possibly with another card."""

    example = {"gateway_token": "pm_card_mastercard"}
    gateway_token = GatewayToken()


class PaymentCapture(Body):
    """Money that was received in cash, by bank transfer, or on another card terminal.

    Or the capture of an authorized payment.
    """

    amount = PositiveAmount(
        help_text="What was received, by default all: what is too much is kept apart, and what is "
        "missing stays due. Of an authorized payment, what is captured; the rest is voided."
    )
    card_last4 = serializers.RegexField(
        r"^[0-9]{4}$",
        default=None,
        allow_null=True,
        help_text="The last four digits of a card that was charged on another terminal.",
        error_messages={"invalid": "Send only the last four digits of the card."},
    )


class RefundItem(StrictSerializer):
    """Units of an order line, or a part of their price."""

    order_item_id = ExternalId()
    quantity = Quantity(
        min_value=0,
        help_text="How many units are refunded. With 0, an `amount` of the line's price is, and "
        "its units can still be refunded, at the rest of it.",
    )
    amount = PositiveAmount(
        help_text="Including tax. By default, the price that was paid for the units. With less, "
        "the rest of their price is kept, as a fee."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs["quantity"] and attrs["amount"] is None:
            raise serializers.ValidationError({"amount": "Without units, an amount is required."})
        return attrs


class RefundCreate(Body):
    """What is refunded, in the captured currency: order lines, the shipping, and goodwill.

    The credit note takes the lines and the shipping back at their own tax rates. Goodwill is split
    over the tax rates in proportion to what is left of each on the invoice.
    """

    example = {"items": [{"order_item_id": ITEM_ID, "quantity": 1}], "reason": "operator"}
    items = ItemList(child=RefundItem(), default=list, max_length=MAX_ITEMS)
    shipping = PositiveAmount(help_text="A part of the shipping cost, or all of it, with its tax.")
    goodwill = PositiveAmount(help_text="An amount for no line in particular.")
    amount = PositiveAmount(
        help_text="The sum of all, by which you can have it checked. Alone, it is goodwill."
    )
    reason = Choice(models.Refund.Reason, "RefundReason")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not any(attrs[name] for name in ("items", "shipping", "goodwill", "amount")):
            message = "Say what to refund: `items`, `shipping`, `goodwill`, or an `amount`."
            raise serializers.ValidationError(message)
        return attrs


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


@extend_schema_field({"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"})
class SignedAmount(serializers.CharField):
    """An amount as text with its currency's decimals; what is kept is negative."""


class RefundPart(serializers.Serializer[Any]):
    """What a part of a refund is for."""

    kind = serializers.ChoiceField(
        ["item", "fee", "shipping", "goodwill"],
        help_text="`item` is the price of units of a line, or a part of it. `fee` is what is kept "
        "of the line's price, or what a later refund pays of that. `goodwill` is for no line.",
    )
    order_item_id = serializers.CharField(allow_null=True)
    quantity = serializers.IntegerField(help_text="The units that are refunded.")
    amount = SignedAmount(help_text="Including tax. The amounts sum to that of the refund.")


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
    parts = RefundPart(many=True)
    moved_to = serializers.CharField(
        source="moved_to_id",
        allow_null=True,
        help_text="The order that replaces this one: the money counts for it, none is paid out.",
    )
    error_code = serializers.CharField()
    error_message = serializers.CharField()
    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)


class Dispute(serializers.Serializer[Any]):
    """A customer's bank takes a payment back until it has decided."""

    id = serializers.CharField(help_text="The gateway's.")
    status = Choice(models.DisputeStatus, "DisputeStatus")
    amount = MoneyOut()
    currency = CurrencyCode()
    reason = serializers.CharField(help_text="The gateway's code.")
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class OrderRefunds(serializers.Serializer[Any]):
    """The refunds that a request has made: one for each payment that had money left for it."""

    order_id = serializers.CharField()
    refunds = Refund(many=True)


class Payment(serializers.Serializer[Any]):
    """A payment: the charged, the captured and the refunded amount."""

    id = serializers.CharField()
    order_id = serializers.CharField()
    status = Choice(models.Payment.Status, "PaymentStatus")
    payment_method = Choice(models.Payment.Method, "PaymentMethod", source="method")
    amount = MoneyOut()
    currency = CurrencyCode()
    gateway_payment_id = serializers.CharField(allow_null=True)
    provider = serializers.CharField(allow_null=True, help_text="Of an `external` payment.")
    reference = serializers.CharField(allow_null=True, help_text="Of an `external` payment.")
    surplus_of = serializers.CharField(
        source="surplus_of_id",
        allow_null=True,
        help_text="The payment with which this money was received beyond what was due; itself, if "
        "nothing was due.",
    )
    moved_from = serializers.CharField(
        source="moved_from_id",
        allow_null=True,
        help_text="The payment that captured the money, for an order that this one replaces.",
    )
    capture_later = serializers.BooleanField(source="captures_later")
    authorized_at = serializers.DateTimeField(allow_null=True)
    capture_amount = MoneyOut(
        allow_null=True, help_text="The requested capture of an authorized payment."
    )
    outstanding = MoneyOut(
        help_text="Of a payment `on_account`: what the customer still owes for the order."
    )
    waived = MoneyOut(help_text="Of a payment `on_account`: what is not due any more.")
    payable_until = serializers.DateTimeField(
        allow_null=True,
        help_text="Of a payment `on_account`: when it is due; null: once the order is delivered.",
    )
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
        help_text="Whether a gateway captured another amount or currency than was charged. Until "
        "the payment is applied or refunded, the order is on hold."
    )
    card_brand = serializers.CharField(allow_null=True)
    card_last4 = serializers.CharField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)
    refunded = MoneyOut(currency="settlement_currency")
    refunding = MoneyOut(currency="settlement_currency", help_text="The amount of pending refunds.")
    max_refundable = MoneyOut(currency="settlement_currency", source="refundable")
    refunds = Refund(many=True)
    disputes = Dispute(many=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    allowed_actions = AllowedActions(models.Payment)

    def get_client_secret(self, payment: models.Payment) -> str | None:
        may_pay = not (payment.is_captured or payment.abandoned_at)
        is_listed = self.context["view"].action == "list"
        return payment.client_secret if may_pay and not is_listed else None
