"""The requests and responses of the returns' API."""

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
    Quantity,
    StrictSerializer,
    TaxRate,
)
from events.serializers import AllowedActions
from returns import models

MAX_ITEMS = 500
ORDER_ID = "order_01JCZ5B2QH8M3T6R9W1K4X7V0B"  # in examples
ITEM_ID = "item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF"


class Note(serializers.CharField):
    """What somebody wants to be remembered of it."""

    def __init__(self) -> None:
        super().__init__(max_length=500, default="", allow_blank=True)


class ReturnItemCreate(StrictSerializer):
    """Units of a line that have been delivered."""

    order_item_id = ExternalId()
    quantity = Quantity()
    reason = serializers.CharField(
        max_length=200,
        default=None,
        allow_null=True,
        help_text="The line's own, if it is not the return's.",
    )


class ReturnCreate(Body):
    """What the customer wants to send back, and why."""

    example = {
        "order_id": ORDER_ID,
        "reason": "wrong_size",
        "items": [{"order_item_id": ITEM_ID, "quantity": 1}],
    }
    order_id = OwnId(orders.selectors.with_lines)
    reason = serializers.CharField(max_length=200)
    items = serializers.ListField(child=ReturnItemCreate(), min_length=1, max_length=MAX_ITEMS)

    def validate_items(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """A line that is named twice counts twice."""
        lines: dict[str, dict[str, Any]] = {}
        for item in items:
            line = lines.setdefault(item["order_item_id"], {**item, "quantity": 0})
            if line["reason"] != item["reason"]:
                message = f"{item['order_item_id']} comes back for two reasons: give it one."
                raise serializers.ValidationError(message)
            line["quantity"] += item["quantity"]
        return list(lines.values())


class OperatorReturnCreate(ReturnCreate):
    """What a customer sends back, and why it may be late."""

    override_reason = serializers.CharField(
        max_length=500,
        default="",
        allow_blank=True,
        help_text="Why it is taken back after the time for that; blank keeps to the time.",
    )


class ReturnApprove(Body):
    """On what terms the customer may send it; the rest is the organization's policy."""

    example = {
        "return_shipping_label_url": "https://labels.example.com/ret-1.pdf",
        "return_shipping_cost": "4.90",
    }
    refund_amount = MoneyIn(
        default=None,
        allow_null=True,
        help_text="The most that may go back, where that is less than the units are worth.",
    )
    return_shipping_label_url = serializers.URLField(max_length=1000, default=None, allow_null=True)
    return_shipping_cost = MoneyIn(
        default=Decimal(0), help_text="Deducted where the customer pays for the way back."
    )
    note = Note()


class ReturnReject(Body):
    """Why the customer may not send it."""

    example = {"note": "The customer keeps it."}
    note = Note()


class ReturnCancel(Body):
    """Why nothing will be sent."""

    example = {"note": "The customer keeps it."}
    note = Note()


class ReturnClose(Body):
    """Why it ends here, and whether that costs the customer money."""

    example = {"note": "The customer keeps the money's worth in vouchers.", "forgo_refund": True}
    note = Note()
    forgo_refund = serializers.BooleanField(
        default=False,
        help_text="Needed where all has come, and money for it that is owed is not given.",
    )


class ReceiptItemCreate(StrictSerializer):
    """Units of a line that have come, in the same state."""

    order_item_id = ExternalId()
    quantity = Quantity()
    condition = Choice(models.ReceiptItem.Condition, "ReturnCondition")
    accepted = serializers.BooleanField(default=True, help_text="Whether they are paid for.")


class ReceiptCreate(Body):
    """What has come, and what state it is in."""

    example = {
        "warehouse_id": "wh_north",
        "items": [{"order_item_id": ITEM_ID, "quantity": 1, "condition": "good"}],
    }
    warehouse_id = ExternalId()
    items = serializers.ListField(child=ReceiptItemCreate(), min_length=1, max_length=MAX_ITEMS)


class ReturnRefund(Body):
    """How much goes back, and by which way; without an amount, all that may."""

    example = {"amount": "13.05", "refund_method": "original_payment"}
    amount = MoneyIn(
        default=None,
        allow_null=True,
        help_text="More than was approved needs the scope `returns:override`.",
    )
    refund_method = Choice(
        models.Return.Method, "RefundMethod", default=models.Return.Method.ORIGINAL_PAYMENT
    )

    def validate_amount(self, amount: Decimal | None) -> Decimal | None:
        if amount is not None and not amount:
            raise serializers.ValidationError("Give an amount above 0, or close the return.")
        return amount


class LargerReturnRefund(ReturnRefund):
    """How much goes back, and by which way."""

    amount = MoneyIn()


class ReturnItem(serializers.Serializer[Any]):
    """Units of a line, and how many of them have come."""

    order_item_id = serializers.CharField()
    variant_id = serializers.CharField()
    title = serializers.CharField()
    quantity = serializers.IntegerField()
    reason = serializers.CharField(allow_null=True)
    received = serializers.IntegerField()
    accepted = serializers.IntegerField()
    value = MoneyOut(currency="return_request.currency", help_text="What was paid for them.")
    accepted_value = MoneyOut(currency="return_request.currency")


class ReceiptItem(serializers.Serializer[Any]):
    """Units that came together, in the same state."""

    order_item_id = serializers.CharField(source="item.order_item_id")
    quantity = serializers.IntegerField()
    condition = Choice(models.ReceiptItem.Condition, "ReturnCondition")
    accepted = serializers.BooleanField()


class Receipt(serializers.Serializer[Any]):
    """Units that came back together."""

    id = serializers.CharField()
    warehouse_id = serializers.CharField()
    received_by = serializers.CharField()
    received_at = serializers.DateTimeField()
    items = ReceiptItem(source="contents", many=True)


class Return(serializers.Serializer[Any]):
    """A return: what is sent back, what has come, and what goes back for it."""

    id = serializers.CharField()
    order_id = serializers.CharField()
    rma_number = serializers.CharField()
    status = Choice(models.Return.Status, "ReturnState")
    reason = serializers.CharField()
    override_reason = serializers.CharField(help_text="Why the time for it did not count.")
    items = ReturnItem(source="lines", many=True)
    receipts = Receipt(source="arrivals", many=True)
    currency = CurrencyCode()
    value = MoneyOut(help_text="What was paid for its units.")
    restocking_fee = TaxRate(help_text="The fraction of the value that is kept.")
    postage_paid_by = Choice(models.PaidBy, "PostagePaidBy")
    return_shipping_label_url = serializers.CharField(allow_null=True)
    return_shipping_cost = MoneyOut()
    approved_amount = MoneyOut(allow_null=True, help_text="The most that may go back.")
    approved_by = serializers.CharField(allow_null=True)
    approval_note = serializers.CharField()
    accepted_value = MoneyOut(help_text="What was paid for the units that came and are accepted.")
    max_refundable = MoneyOut(
        source="refundable", help_text="What may be asked for now, if the payments have it left."
    )
    refunding = MoneyOut(help_text="On its way back.")
    refunded = MoneyOut()
    refund_method = Choice(models.Return.Method, "RefundMethod", allow_null=True)
    ended_by = serializers.CharField(allow_null=True)
    ending_note = serializers.CharField()
    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()
    approved_at = serializers.DateTimeField(allow_null=True)
    received_at = serializers.DateTimeField(allow_null=True, help_text="The latest so far.")
    refunded_at = serializers.DateTimeField(allow_null=True, help_text="The latest so far.")
    ended_at = serializers.DateTimeField(
        allow_null=True, help_text="When somebody rejected, cancelled or closed it."
    )
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    allowed_actions = AllowedActions(models.Return)
