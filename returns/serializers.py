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
    ItemList,
    MoneyIn,
    MoneyOut,
    OwnId,
    Quantity,
    StrictSerializer,
    TaxRate,
)
from events.serializers import AllowedActions
from returns import models
from returns.events import RETURNED_TO_SENDER

MAX_ITEMS = 500
ORDER_ID = "order_01JCZ5B2QH8M3T6R9W1K4X7V0B"  # in examples
ITEM_ID = "item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF"


class Note(serializers.CharField):
    """A free text that is stored with the return."""

    def __init__(self) -> None:
        super().__init__(max_length=500, default="", allow_blank=True)


def check_reason(reason: str) -> None:
    """Raise ValidationError for the reason that the service itself gives."""
    if reason == RETURNED_TO_SENDER:
        raise serializers.ValidationError("Only the service gives this reason, to a parcel.")


class ReturnItemCreate(StrictSerializer):
    """Delivered units of an order line, to be returned."""

    order_item_id = ExternalId()
    quantity = Quantity()
    reason = serializers.CharField(
        max_length=200,
        default=None,
        allow_null=True,
        validators=[check_reason],
        help_text="Overrides the return's reason for this line.",
    )


class ReturnCreate(Body):
    """The units to return, and why. Quantities of the same line are added up."""

    example = {
        "order_id": ORDER_ID,
        "reason": "wrong_size",
        "items": [{"order_item_id": ITEM_ID, "quantity": 1}],
    }
    order_id = OwnId(orders.selectors.with_lines, get_for_update=orders.selectors.get_for_update)
    reason = serializers.CharField(max_length=200, validators=[check_reason])
    items = ItemList(child=ReturnItemCreate(), min_length=1, max_length=MAX_ITEMS)

    def validate_items(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        lines: dict[str, dict[str, Any]] = {}
        for item in items:
            line = lines.setdefault(item["order_item_id"], {**item, "quantity": 0})
            if line["reason"] != item["reason"]:
                message = f"{item['order_item_id']} has two reasons: send one reason per line."
                raise serializers.ValidationError(message)
            line["quantity"] += item["quantity"]
        return list(lines.values())


class OperatorReturnCreate(ReturnCreate):
    """The units to return, and why the return window may be ignored."""

    override_reason = serializers.CharField(
        max_length=500,
        default="",
        allow_blank=True,
        help_text="Why the return is accepted after the return window. Empty: the window applies.",
    )


class ReturnApprove(Body):
    """The terms of the approval. The organization's policy sets the fee and who pays postage."""

    example = {
        "return_shipping_label_url": "https://labels.example.com/ret-1.pdf",
        "return_shipping_cost": "4.90",
    }
    refund_amount = MoneyIn(
        default=None,
        allow_null=True,
        help_text="The maximum refund. Default: the paid price, less fee and postage.",
    )
    return_shipping_label_url = serializers.URLField(max_length=1000, default=None, allow_null=True)
    return_shipping_cost = MoneyIn(
        default=Decimal(0), help_text="Deducted from the refund if the customer pays the postage."
    )
    note = Note()


class ReturnReject(Body):
    """Why the return is rejected."""

    example = {"note": "The mug was used."}
    note = Note()


class ReturnCancel(Body):
    """Why the return is cancelled."""

    example = {"note": "The customer keeps it."}
    note = Note()


class ReturnClose(Body):
    """Why the return is closed, and whether a refund is waived."""

    example = {"note": "The customer accepted a voucher instead.", "forgo_refund": True}
    note = Note()
    forgo_refund = serializers.BooleanField(
        source="waive_refund",
        default=False,
        help_text="Required to close a received return that could still be refunded.",
    )


class ReceiptItemCreate(StrictSerializer):
    """Received units of a line in one condition."""

    order_item_id = ExternalId()
    quantity = Quantity()
    condition = Choice(models.ReceiptItem.Condition, "ReturnCondition")
    accepted = serializers.BooleanField(
        default=True, help_text="Whether the units can be refunded."
    )


class ReceiptCreate(Body):
    """The units that a warehouse received, and their condition."""

    example = {
        "warehouse_id": "wh_north",
        "items": [{"order_item_id": ITEM_ID, "quantity": 1, "condition": "good"}],
    }
    warehouse_id = ExternalId()
    items = ItemList(child=ReceiptItemCreate(), min_length=1, max_length=MAX_ITEMS)


class ReturnRefund(Body):
    """The amount and the method of a refund. The default amount is `max_refundable`."""

    example = {"amount": "13.05", "refund_method": "original_payment"}
    amount = MoneyIn(
        default=None,
        allow_null=True,
        help_text="More than the approved amount requires the scope `returns:override`.",
    )
    refund_method = Choice(
        models.Return.Method, "RefundMethod", default=models.Return.Method.ORIGINAL_PAYMENT
    )

    def validate_amount(self, amount: Decimal | None) -> Decimal | None:
        if amount is not None and not amount:
            raise serializers.ValidationError("The amount must be greater than 0.")
        return amount


class LargerReturnRefund(ReturnRefund):
    """The amount and the method of a refund above the approved amount."""

    amount = MoneyIn()


class ReturnItem(serializers.Serializer[Any]):
    """The units of an order line that the customer sends back, counted by state."""

    order_item_id = serializers.CharField()
    variant_id = serializers.CharField()
    title = serializers.CharField()
    quantity = serializers.IntegerField()
    reason = serializers.CharField(allow_null=True)
    received = serializers.IntegerField(source="received_quantity")
    accepted = serializers.IntegerField(
        source="accepted_quantity", help_text="Received units that can be refunded."
    )
    value = MoneyOut(
        currency="return_request.currency", help_text="The paid price of all these units."
    )
    accepted_value = MoneyOut(
        currency="return_request.currency", help_text="The paid price of the accepted units."
    )


class ReceiptItem(serializers.Serializer[Any]):
    """Received units of a line in one condition."""

    order_item_id = serializers.CharField(source="item.order_item_id")
    quantity = serializers.IntegerField()
    condition = Choice(models.ReceiptItem.Condition, "ReturnCondition")
    accepted = serializers.BooleanField()


class Receipt(serializers.Serializer[Any]):
    """Units that a warehouse received together."""

    id = serializers.CharField()
    warehouse_id = serializers.CharField()
    received_by = serializers.CharField()
    received_at = serializers.DateTimeField()
    items = ReceiptItem(source="contents", many=True)


class Return(serializers.Serializer[Any]):
    """Units that a customer sends back, their receipts, and their refund."""

    id = serializers.CharField()
    order_id = serializers.CharField()
    shipment_id = serializers.CharField(
        allow_null=True,
        help_text="The parcel, if it comes back undelivered. Such a return is opened by the "
        "service and only received: its usable units are picked again, the others refunded.",
    )
    rma_number = serializers.CharField()
    status = Choice(models.Return.Status, "ReturnStatus")
    reason = serializers.CharField()
    override_reason = serializers.CharField(
        help_text="Set by an operator in the admin; blank if the window applied."
    )
    items = ReturnItem(source="lines", many=True)
    receipts = Receipt(source="all_receipts", many=True)
    currency = CurrencyCode()
    value = MoneyOut(help_text="The paid price of all units.")
    restocking_fee = TaxRate(help_text="The part of the value that is kept: `0.15` is 15 %.")
    postage_paid_by = Choice(models.PaidBy, "PostagePaidBy")
    return_shipping_label_url = serializers.CharField(allow_null=True)
    return_shipping_cost = MoneyOut()
    approved_amount = MoneyOut(allow_null=True, help_text="The maximum refund.")
    approved_by = serializers.CharField(allow_null=True)
    approval_note = serializers.CharField()
    accepted_value = MoneyOut(help_text="The paid price of the accepted units.")
    max_refundable = MoneyOut(
        source="max_refund",
        help_text="The most that can be requested now. The payments of the order still have it. It "
        "is less if some of its units were refunded without the return.",
    )
    refunding = MoneyOut(
        source="pending_amount", help_text="Refunds that are requested and not completed."
    )
    refunded = MoneyOut(source="refunded_amount", help_text="Refunds that are completed.")
    refund_method = Choice(models.Return.Method, "RefundMethod", allow_null=True)
    ended_by = serializers.CharField(allow_null=True)
    ending_note = serializers.CharField()
    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()
    approved_at = serializers.DateTimeField(allow_null=True)
    received_at = serializers.DateTimeField(allow_null=True, help_text="The latest receipt.")
    refunded_at = serializers.DateTimeField(allow_null=True, help_text="The latest refund.")
    ended_at = serializers.DateTimeField(
        allow_null=True, help_text="When it was rejected, cancelled or closed."
    )
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    allowed_actions = AllowedActions(models.Return)
