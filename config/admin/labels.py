"""The labels and hints that operators read at the fields of forms, by the name of the field."""

import re
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from config.admin.columns import words

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

LABELS: "dict[str, StrPromise]" = {
    "accepted": _("Accepted for a refund"),
    "allocations": _("Allocations"),
    "amount": _("Amount"),
    "assigned_to": _("Picker"),
    "billing_address": _("Billing address"),
    "card_last4": _("Last four digits of the card"),
    "buyer": _("Buyer"),
    "carrier": _("Carrier"),
    "carrier_cost": _("Carrier cost"),
    "city": _("City"),
    "code": _("Code"),
    "company": _("Company"),
    "condition": _("Condition"),
    "cost": _("Cost"),
    "country": _("Country"),
    "credit_note_id": _("Credit note"),
    "customer_email": _("Customer's email"),
    "customer_note": _("Customer's note"),
    "delivered_at": _("Delivered at"),
    "delivery_photo_url": _("URL of the delivery photo"),
    "description": _("Description"),
    "discount": _("Discount"),
    "dry_run": _("Only count the messages"),
    "estimated_delivery": _("Estimated delivery"),
    "expected_total": _("Expected total"),
    "external_reference": _("Reference in another system"),
    "first": _("First"),
    "forgo_refund": _("Close without a refund"),
    "fulfillment_id": _("Fulfillment"),
    "gateway_token": _("Payment token"),
    "goodwill": _("Goodwill"),
    "height": _("Height (cm)"),
    "internal_note": _("Internal note"),
    "into": _("Customer's cart"),
    "item_id": _("Line"),
    "items": _("Lines"),
    "new_items": _("New lines"),
    "label_url": _("URL of the label"),
    "last": _("Last"),
    "length": _("Length (cm)"),
    "line1": _("Address"),
    "line2": _("Address, second line"),
    "locale": _("Language of the documents"),
    "location": _("Location"),
    "metadata": _("Metadata"),
    "method": _("Method"),
    "name": _("Name"),
    "note": _("Note"),
    "occurred_at": _("Time of the scan"),
    "order_id": _("Order"),
    "order_item_id": _("Line"),
    "organization": _("Organization"),
    "override_reason": _("Reason to accept it late"),
    "packages": _("Packages"),
    "payment_method": _("Payment method"),
    "phone": _("Phone"),
    "postal_code": _("Postal code"),
    "preferred_warehouse_id": _("Preferred warehouse"),
    "purchase_order_number": _("Purchase order number"),
    "quantity": _("Quantity"),
    "queue": _("Queue"),
    "rate": _("Messages per second"),
    "reason": _("Reason"),
    "recipient": _("Recipient"),
    "recipient_email": _("Recipient's email"),
    "refund_amount": _("Refund amount"),
    "refund_id": _("Refund"),
    "refund_method": _("Refund method"),
    "region": _("Region"),
    "rejected": _("Inventory cannot supply the order"),
    "reservation_id": _("Reservation"),
    "return_shipping_cost": _("Return postage"),
    "return_shipping_label_url": _("URL of the return label"),
    "scan_id": _("Scan"),
    "service": _("Service"),
    "shared": _("In the box of another shipment"),
    "shipping": _("Shipping"),
    "shipping_address": _("Shipping address"),
    "shipping_cost": _("Shipping cost"),
    "signature": _("Signature"),
    "signature_required": _("Signature required"),
    "status": _("Status"),
    "stream": _("Order or cart"),
    "tax_exemption": _("Reason for no tax"),
    "tax_id": _("Tax id"),
    "tax_note": _("Note on the invoice"),
    "tax_rate": _("Tax rate"),
    "taxes": _("Taxes with names"),
    "taxes.rate": _("Tax rate"),
    "title": _("Title"),
    "tracking_number": _("Tracking number"),
    "tracking_numbers": _("Tracking numbers of several parcels"),
    "unit_price": _("Unit price"),
    "variant_id": _("Variant"),
    "warehouse_id": _("Warehouse"),
    "weight": _("Weight (kg)"),
    "width": _("Width (cm)"),
}
HINTS: "dict[str, StrPromise]" = {
    "assigned_to": _("Default: you."),
    "card_last4": _("Of a card that was charged elsewhere."),
    "carrier_cost": _("In the currency of the order."),
    "credit_note_id": _("Default: the invoice."),
    "customer_note": _("The customer sees it."),
    "expected_total": _("If the total is another, nothing is done."),
    "first": _("A position, or a time like 2025-11-23T15:00:00Z. Default: the first event."),
    "gateway_token": _(
        "The token of another card, pm_… at Stripe. Default: the customer pays again."
    ),
    "internal_note": _("The customer does not see it."),
    "last": _("A position or a time, included. Default: the latest event."),
    "metadata": _("One entry on each line, as name: value."),
    "override_reason": _("Required after the return window."),
    "queue": _("The complete name with its prefix."),
    "recipient_email": _("Default: the buyer."),
    "refund_amount": _("The maximum. Default: the paid price, less fee and postage."),
    "return_shipping_cost": _("Deducted from the refund if the customer pays the postage."),
    "scan_id": _("A repeated scan has no effect."),
    "shipping_cost": _("What the customer pays. Default: the shipping cost of the order."),
    "shared": _("Needed for another customer or address."),
    "signature": _("A name, or another text."),
    "stream": _("The id of an order or a cart."),
    "tax_note": _("The law, for example."),
    "tax_rate": _("A fraction: 0.16 is 16 %."),
    "taxes.rate": _("A fraction: 0.16 is 16 %."),
    "tracking_numbers": _("Instead of one, with blanks between them."),
    "unit_price": _("With tax if the prices of the cart include it."),
}


def label(path: str) -> str:
    """Return the label of a field by its path: `items[0].quantity` is “Quantity”."""
    name = path.rpartition(".")[2]
    return str(_of_field(LABELS, path) or words(re.sub(r"\[\d+\]", "", name)))


def hint(path: str) -> str:
    """Return the hint at a field by its path, or an empty text."""
    return str(_of_field(HINTS, path) or "")


def _of_field(texts: "dict[str, StrPromise]", path: str) -> "StrPromise | None":
    """Return the text of a field in its list, or else of any field with its name."""
    *_, parent, name = ["", *re.sub(r"\[\d+\]", "", path).split(".")]
    return texts.get(f"{parent}.{name}") or texts.get(name)
