"""What the returns' routes take."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers

import orders.selectors
from config.api.serializers import (
    Body,
    Choice,
    ExternalId,
    MoneyIn,
    OwnId,
    Quantity,
    StrictSerializer,
)
from returns.models import ReceiptItem, Return

MAX_ITEMS = 500
ORDER_ID = "order_01JCZ5B2QH8M3T6R9W1K4X7V0B"  # in examples
ITEM_ID = "item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF"


class Note(serializers.CharField):
    """What somebody wants to be remembered of it."""

    def __init__(self) -> None:
        super().__init__(max_length=500, default="", allow_blank=True)


class NewReturnItem(StrictSerializer):
    """Units of a line that have been delivered."""

    order_item_id = ExternalId()
    quantity = Quantity()
    reason = serializers.CharField(
        max_length=200,
        default=None,
        allow_null=True,
        help_text="The line's own, if it is not the return's.",
    )


class NewReturn(Body):
    """What the customer wants to send back, and why."""

    example = {
        "order_id": ORDER_ID,
        "reason": "wrong_size",
        "items": [{"order_item_id": ITEM_ID, "quantity": 1}],
    }
    order_id = OwnId(orders.selectors.with_lines)
    reason = serializers.CharField(max_length=200)
    items = serializers.ListField(child=NewReturnItem(), min_length=1, max_length=MAX_ITEMS)

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


class ReturnByOperator(NewReturn):
    """What a customer sends back, and why it may be late."""

    override_reason = serializers.CharField(
        max_length=500,
        default="",
        allow_blank=True,
        help_text="Why it is taken back after the time for that; blank keeps to the time.",
    )


class Approval(Body):
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


class Ending(Body):
    """Why it ends here."""

    example = {"note": "The customer keeps it."}
    note = Note()


class Closing(Ending):
    """Why it ends here, and whether that costs the customer money."""

    example = {"note": "The customer keeps the money's worth in vouchers.", "forgo_refund": True}
    forgo_refund = serializers.BooleanField(
        default=False,
        help_text="Needed where all has come, and money for it that is owed is not given.",
    )


class ReceivedUnits(StrictSerializer):
    """Units of a line that have come, in the same state."""

    order_item_id = ExternalId()
    quantity = Quantity()
    condition = Choice(ReceiptItem.Condition, "ReturnCondition")
    accepted = serializers.BooleanField(default=True, help_text="Whether they are paid for.")


class NewReceipt(Body):
    """What has come, and what state it is in."""

    example = {
        "warehouse_id": "wh_north",
        "items": [{"order_item_id": ITEM_ID, "quantity": 1, "condition": "good"}],
    }
    warehouse_id = ExternalId()
    items = serializers.ListField(child=ReceivedUnits(), min_length=1, max_length=MAX_ITEMS)


class NewReturnRefund(Body):
    """How much goes back, and by which way; without an amount, all that may."""

    example = {"amount": "13.05", "refund_method": "original_payment"}
    amount = MoneyIn(
        default=None,
        allow_null=True,
        help_text="More than was approved needs the scope `returns:override`.",
    )
    refund_method = Choice(Return.Method, "RefundMethod", default=Return.Method.ORIGINAL_PAYMENT)

    def validate_amount(self, amount: Decimal | None) -> Decimal | None:
        if amount is not None and not amount:
            raise serializers.ValidationError("Give an amount above 0, or close the return.")
        return amount


class LargerRefund(NewReturnRefund):
    """How much goes back, and by which way."""

    amount = MoneyIn()
