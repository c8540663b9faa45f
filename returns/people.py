"""What returns hold about a person."""

from django.db.models import Case, F, Value, When

from events.people import holds
from returns.events import RETURNED_TO_SENDER
from returns.models import Receipt, ReceiptItem, Return, ReturnItem

holds(
    Return,
    "order",
    erase={
        "reason": Case(When(reason=RETURNED_TO_SENDER, then=F("reason")), default=Value("")),
        "override_reason": "",
        "approval_note": "",
        "ending_note": "",
        "return_shipping_label_url": None,
    },
)
holds(ReturnItem, "return_request__order", erase={"reason": None})
holds(Receipt, "return_request__order")
holds(ReceiptItem, "receipt__return_request__order")
