"""What the returns' routes answer."""

from typing import Any, ClassVar

from rest_framework import serializers

from config.api.serializers import AllowedActions, Choice, CurrencyCode, MoneyOut, TaxRate
from returns.models import PaidBy, ReceiptItem, Return
from returns.serializers.bodies import ITEM_ID, ORDER_ID


class ReturnItemOut(serializers.Serializer[Any]):
    """Units of a line, and how many of them have come."""

    example = {
        "order_item_id": ITEM_ID,
        "variant_id": "var_mug",
        "title": "Stoneware mug",
        "quantity": 1,
        "reason": None,
        "received": 1,
        "accepted": 1,
        "value": "13.05",
        "accepted_value": "13.05",
    }
    order_item_id = serializers.CharField()
    variant_id = serializers.CharField()
    title = serializers.CharField()
    quantity = serializers.IntegerField()
    reason = serializers.CharField(allow_null=True)
    received = serializers.IntegerField()
    accepted = serializers.IntegerField()
    value = MoneyOut(currency="return_request.currency", help_text="What was paid for them.")
    accepted_value = MoneyOut(currency="return_request.currency")


class ReceiptItemOut(serializers.Serializer[Any]):
    """Units that came together, in the same state."""

    order_item_id = serializers.CharField(source="item.order_item_id")
    quantity = serializers.IntegerField()
    condition = Choice(ReceiptItem.Condition, "ReturnCondition")
    accepted = serializers.BooleanField()


class ReceiptOut(serializers.Serializer[Any]):
    """Units that came back together."""

    example = {
        "id": "rec_01JCZ8N4P5Q6R7S8T9V0W1X2Y3",
        "warehouse_id": "wh_north",
        "received_by": "user_789",
        "received_at": "2025-11-28T14:00:00Z",
        "items": [{"order_item_id": ITEM_ID, "quantity": 1, "condition": "good", "accepted": True}],
    }
    id = serializers.CharField()
    warehouse_id = serializers.CharField()
    received_by = serializers.CharField()
    received_at = serializers.DateTimeField()
    items = ReceiptItemOut(source="contents", many=True)


class ReturnOut(serializers.Serializer[Any]):
    """A return: what is sent back, what has come, and what goes back for it."""

    example = {
        "id": "ret_01JCZ7B3C4D5E6F7G8H9J0K1M2",
        "order_id": ORDER_ID,
        "rma_number": "RMA-2025-0001",
        "status": "received",
        "reason": "wrong_size",
        "override_reason": "",
        "items": [ReturnItemOut.example],
        "receipts": [ReceiptOut.example],
        "currency": "USD",
        "value": "13.05",
        "restocking_fee": "0",
        "postage_paid_by": "seller",
        "return_shipping_label_url": "https://labels.example.com/ret-1.pdf",
        "return_shipping_cost": "4.90",
        "approved_amount": "13.05",
        "approved_by": "user_789",
        "approval_note": "",
        "accepted_value": "13.05",
        "max_refundable": "13.05",
        "refunding": "0.00",
        "refunded": "0.00",
        "refund_method": None,
        "ended_by": None,
        "ending_note": "",
        "requested_by": "user_789",
        "requested_at": "2025-11-27T09:00:00Z",
        "approved_at": "2025-11-27T11:00:00Z",
        "received_at": "2025-11-28T14:00:00Z",
        "refunded_at": None,
        "ended_at": None,
        "created_at": "2025-11-27T09:00:00Z",
        "updated_at": "2025-11-28T14:00:00Z",
        "allowed_actions": ["close", "refund"],
    }
    nothing_yet: ClassVar[dict[str, Any]] = {
        "items": [
            {**ReturnItemOut.example, "received": 0, "accepted": 0, "accepted_value": "0.00"}
        ],
        "receipts": [],
        "accepted_value": "0.00",
        "max_refundable": "0.00",
        "received_at": None,
    }
    requested: ClassVar[dict[str, Any]] = {
        **nothing_yet,
        "status": "requested",
        "return_shipping_label_url": None,
        "return_shipping_cost": "0.00",
        "approved_amount": None,
        "approved_by": None,
        "approved_at": None,
        "allowed_actions": ["approve", "reject", "cancel"],
    }
    approved: ClassVar[dict[str, Any]] = {
        **nothing_yet,
        "status": "approved",
        "allowed_actions": ["cancel", "receive"],
    }
    ended: ClassVar[dict[str, Any]] = {
        "ended_by": "user_789",
        "ended_at": "2025-11-28T16:00:00Z",
        "ending_note": "The customer keeps it.",
        "allowed_actions": [],
    }
    rejected: ClassVar[dict[str, Any]] = {**requested, **ended, "status": "rejected"}
    cancelled: ClassVar[dict[str, Any]] = {**approved, **ended, "status": "cancelled"}
    closed: ClassVar[dict[str, Any]] = {**ended, "status": "closed", "max_refundable": "0.00"}
    under_way: ClassVar[dict[str, Any]] = {
        "max_refundable": "0.00",
        "refunding": "13.05",
        "refund_method": "original_payment",
        "allowed_actions": [],
    }
    id = serializers.CharField()
    order_id = serializers.CharField()
    rma_number = serializers.CharField()
    status = Choice(Return.Status, "ReturnState")
    reason = serializers.CharField()
    override_reason = serializers.CharField(help_text="Why the time for it did not count.")
    items = ReturnItemOut(source="lines", many=True)
    receipts = ReceiptOut(source="arrivals", many=True)
    currency = CurrencyCode()
    value = MoneyOut(help_text="What was paid for its units.")
    restocking_fee = TaxRate(help_text="The fraction of the value that is kept.")
    postage_paid_by = Choice(PaidBy, "PostagePaidBy")
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
    refund_method = Choice(Return.Method, "RefundMethod", allow_null=True)
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
    allowed_actions = AllowedActions(Return)
