"""The requests and responses of the orders' API."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

import returns.selectors
from config.api.client_data import ClientData, ClientDataCreate, PurchaseOrderNumber
from config.api.serializers import (
    Address,
    Body,
    Choice,
    CurrencyCode,
    EmailAddress,
    ExternalId,
    ItemList,
    ItemQuantities,
    MoneyIn,
    MoneyOut,
    OwnId,
    Quantity,
    StrictSerializer,
    TaxRate,
    UnitPriceIn,
    UnitPriceOut,
)
from config.core.money import money
from config.pdf.language import is_known
from events.serializers import AllowedActions
from orders import models, pricing, selectors
from orders.models.choices import TaxExemption, TaxRounding

MAX_ITEMS = 500
MAX_ALLOCATIONS = 1_000
MAX_TAXES = 5
ITEM_ID = "item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF"  # in examples
CancellationReason = models.Order.CancellationReason
RESERVED_REASONS = (
    CancellationReason.PAYMENT_FAILED,
    CancellationReason.RESERVATION_EXPIRED,
    CancellationReason.REPLACED,
)


class Exemption(Choice):
    """Why a sale is not taxed. It is shown of the taxes that are stored."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(TaxExemption, "TaxExemption", allow_null=True, **kwargs)

    def to_representation(self, value: Any) -> str | None:  # type: ignore[override]
        return next((tax["exemption"] for tax in value), None)


class TaxCreate(StrictSerializer):
    """One of several taxes, which has a total of its own on the invoice."""

    name = serializers.CharField(max_length=40)
    rate = TaxRate()


class Taxed(StrictSerializer):
    """A line or the shipping: either the rate of one tax, or several taxes with names."""

    tax_rate = TaxRate(required=False, help_text="A fraction: `0.16` is 16 %. By default 0.")
    taxes = ItemList(
        child=TaxCreate(),
        required=False,
        max_length=MAX_TAXES,
        help_text="Instead of `tax_rate`: GST and QST, for example, each with its name.",
    )
    tax_exemption = Exemption(
        required=False,
        help_text="Why the sale is not taxed. Only without a tax rate.",
    )
    tax_note = serializers.CharField(
        max_length=300,
        required=False,
        allow_null=True,
        help_text="Printed on the invoice with the exemption: the law, for example.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Replace the four fields by `tax_rate`, the sum, and `taxes` as they are stored."""
        rate, taxes = attrs.pop("tax_rate", None), attrs.pop("taxes", [])
        exemption, note = attrs.pop("tax_exemption", None), attrs.pop("tax_note", None)
        if taxes and rate is not None:
            raise serializers.ValidationError("Give either tax_rate or taxes.")
        if len({tax["name"] for tax in taxes}) < len(taxes):
            raise serializers.ValidationError({"taxes": ["Each name may occur once."]})
        attrs["tax_rate"] = sum((tax["rate"] for tax in taxes), rate or Decimal(0))
        if attrs["tax_rate"] > 1:
            raise serializers.ValidationError({"taxes": ["The rates sum to more than 1."]})
        if exemption and (taxes or rate):
            raise serializers.ValidationError({"tax_exemption": ["The sale has a tax rate."]})
        if note and not exemption:
            raise serializers.ValidationError({"tax_note": ["It needs a tax_exemption."]})
        attrs["taxes"] = [
            pricing.Tax(
                name=tax["name"], rate=f"{tax['rate'].normalize():f}", exemption=None, note=None
            )
            for tax in taxes
        ]
        if exemption:
            attrs["taxes"] = [pricing.Tax(name=None, rate="0", exemption=exemption, note=note)]
        return attrs


class CheckoutDiscount(StrictSerializer):
    """An amount taken off a line, the shipping or the order.

    Like the prices, it is before tax, or includes tax if the order is tax-inclusive.
    """

    amount = MoneyIn()
    code = serializers.CharField(
        max_length=64, default=None, allow_null=True, help_text="Of a voucher or a campaign."
    )
    reason = serializers.CharField(max_length=200, default=None, allow_null=True)


class OrderItemCreate(Taxed, ClientDataCreate):
    """A quantity of one variant.

    `unit_price` and the discount are before tax, or include tax if the order is tax-inclusive.
    """

    example = {
        "variant_id": "var_mug",
        "title": "Stoneware mug",
        "quantity": 4,
        "unit_price": "12.50",
        "tax_rate": "0.16",
        "preferred_warehouse_id": "wh_north",
    }
    variant_id = ExternalId()
    title = serializers.CharField(max_length=255)
    quantity = Quantity()
    unit_price = UnitPriceIn()
    discount = CheckoutDiscount(
        required=False, allow_null=True, help_text="On the line, whatever its quantity."
    )
    preferred_warehouse_id = ExternalId(default=None, allow_null=True)


class CheckoutShipping(Taxed):
    """The carrier and service that the customer chose, and their price: see `tax_inclusive`."""

    carrier = serializers.CharField(max_length=64, required=False, allow_null=True)
    service = serializers.CharField(max_length=64, required=False, allow_null=True)
    cost = MoneyIn(default=Decimal(0), help_text="Before the discount.")
    discount = CheckoutDiscount(
        required=False, allow_null=True, help_text="All of the cost: shipping is free."
    )
    signature_required = serializers.BooleanField(default=False)


class OrderPlace(Body):
    """The payment method, if it is not the one that the order was opened with."""

    example = {"payment_method": "manual"}
    payment_method = Choice(
        models.Order.PaymentMethod,
        "OrderPaymentMethod",
        required=False,
        allow_null=True,
        help_text="What the customer chose. With `manual`, the order waits for the days of a bank "
        "transfer before it is cancelled. With `invoice` and `cash_on_delivery` it is confirmed "
        "before it is paid, if the organization offers that.",
    )


class Locale(serializers.CharField):
    """The language of the buyer's documents and mails, as a BCP 47 tag: `es`, `es-MX`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "max_length": 20})

    def to_internal_value(self, data: Any) -> str:
        """Refuse an unknown language."""
        locale: str = super().to_internal_value(data)
        if not is_known(locale):
            raise serializers.ValidationError("Not a known language. Example: es-MX.")
        return locale


class TaxInclusive(serializers.BooleanField):
    """Whether prices, discounts and shipping include tax."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            allow_null=True,
            help_text="Whether prices, discounts and the shipping cost include tax. By default, as "
            "the policy of the organization says.",
        )


class OrderTerms(OrderPlace, ClientDataCreate):
    """Addresses, shipping, discount, payment method, references and notes of an order."""

    example = {
        "customer_email": "ana@example.com",
        "shipping_address": Address.example,
        "shipping": {"carrier": "FedEx", "service": "Ground", "cost": "9.90", "tax_rate": "0.16"},
        "discount": {"amount": "5.00", "code": "SPRING", "reason": "loyalty"},
        "payment_method": "stripe",
    }
    customer_email = EmailAddress(required=False, allow_null=True)
    locale = Locale(required=False, allow_null=True)
    shipping_address = Address(required=False, allow_null=True)
    billing_address = Address(required=False, allow_null=True)
    shipping = CheckoutShipping(required=False, allow_null=True)
    discount = CheckoutDiscount(
        required=False,
        allow_null=True,
        help_text="On the order: it is split over its lines, in proportion to their amounts.",
    )
    purchase_order_number = PurchaseOrderNumber()
    expected_total = MoneyIn(
        required=False,
        allow_null=True,
        help_text="What the customer has seen. If the total is another, the request is refused.",
    )


class OrderCorrect(Body, ClientDataCreate):
    """What is to be corrected; what is left out stays."""

    example = {"customer_email": "ana@example.com"}
    customer_email = EmailAddress(required=False, allow_null=True)
    shipping_address = Address(required=False)
    billing_address = Address(required=False, allow_null=True)
    purchase_order_number = PurchaseOrderNumber()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            message = "Send it, an e-mail address, metadata, a reference or a note."
            raise serializers.ValidationError({"shipping_address": [message]})
        return attrs


class OrderItemEdit(ClientDataCreate):
    """What changes in a line of the order; what is left out stays."""

    order_item_id = ExternalId()
    quantity = Quantity(min_value=0, required=False, help_text="With 0, the line is removed.")
    title = serializers.CharField(max_length=255, required=False)
    unit_price = UnitPriceIn(required=False)
    discount = CheckoutDiscount(required=False, allow_null=True)
    preferred_warehouse_id = ExternalId(required=False, allow_null=True)


class OrderEdit(Body):
    """What changes in an order; what is left out stays."""

    example = {
        "items": [{"order_item_id": ITEM_ID, "quantity": 3}],
        "new_items": [OrderItemCreate.example],
    }
    items = ItemList(child=OrderItemEdit(), required=False, max_length=MAX_ITEMS)
    new_items = ItemList(child=OrderItemCreate(), required=False, max_length=MAX_ITEMS)
    discount = CheckoutDiscount(required=False, allow_null=True, help_text="Null removes it.")
    shipping = CheckoutShipping(required=False)
    expected_total = MoneyIn(
        required=False, help_text="The total of the preview. With `commit`, it is required."
    )
    commit = serializers.BooleanField(
        default=False, help_text="Edit the order. By default, this is a preview."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("commit") and "expected_total" not in attrs:
            raise serializers.ValidationError({"expected_total": ["Send the preview's total."]})
        if not attrs.keys() & {"items", "new_items", "discount", "shipping"}:
            message = "Send them, or new_items, a discount, or the shipping."
            raise serializers.ValidationError({"items": [message]})
        return attrs


class LineEdit(StrictSerializer):
    """A line as an operator edits it."""

    order_item_id = ExternalId()
    quantity = Quantity(min_value=0)
    unit_price = UnitPriceIn()


class NewLine(StrictSerializer):
    """A line that an operator adds."""

    variant_id = ExternalId()
    title = serializers.CharField(max_length=255)
    quantity = Quantity()
    unit_price = UnitPriceIn()
    tax_rate = TaxRate(required=False)
    preferred_warehouse_id = ExternalId(default=None, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"tax_rate": Decimal(0)} | attrs


class OrderEditForm(Body):
    """An edit by an operator. Another total than the expected one is refused, and named."""

    items = ItemList(child=LineEdit(), max_length=MAX_ITEMS)
    new_items = ItemList(child=NewLine(), required=False, max_length=MAX_ITEMS)
    expected_total = MoneyIn()


class OrderCreate(OrderTerms):
    """An order that does not come from a cart."""

    example = {
        "customer_id": "cust_ana",
        "currency": "USD",
        "items": [OrderItemCreate.example],
        **OrderTerms.example,
    }
    customer_id = ExternalId(required=False, allow_null=True)
    local_id = ExternalId(required=False, allow_null=True)
    currency = CurrencyCode()
    tax_inclusive = TaxInclusive()
    items = ItemList(child=OrderItemCreate(), min_length=1, max_length=MAX_ITEMS)
    replaces = OwnId(
        models.Order.objects.all,
        required=False,
        allow_null=True,
        help_text="The order that this one replaces. It is cancelled when this one is placed, and "
        "its money counts for this one.",
    )
    exchanges = OwnId(
        returns.selectors.with_refundable,
        required=False,
        allow_null=True,
        help_text="The return that this order exchanges: its refund counts for this one.",
    )


class AllocationCreate(StrictSerializer):
    """A quantity of an order item or of a variant, reserved in one warehouse."""

    order_item_id = ExternalId(required=False)
    variant_id = ExternalId(
        required=False,
        help_text="Instead of `order_item_id`, if only one line of the order has this variant.",
    )
    warehouse_id = ExternalId()
    quantity = Quantity()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("order_item_id" in attrs) == ("variant_id" in attrs):
            raise serializers.ValidationError("Give either order_item_id or variant_id.")
        return attrs


class OrderReservation(Body):
    """Inventory's response: a reservation with its allocations, or a rejection.

    A reservation lists all of its allocations; they replace those of the earlier one. If units of
    the order are back-ordered, a further reservation, with another id, lists those that it adds;
    its rejection writes off the units that are back-ordered.
    """

    example = {
        "reservation_id": "res_8f2c41d7",
        "allocations": [{"order_item_id": ITEM_ID, "warehouse_id": "wh_north", "quantity": 4}],
    }
    reservation_id = ExternalId(
        required=False,
        help_text="May be missing in a rejection while the order holds no reservation.",
    )
    allocations = ItemList(child=AllocationCreate(), required=False, max_length=MAX_ALLOCATIONS)
    rejected = serializers.BooleanField(default=False)
    reason = serializers.CharField(max_length=500, default="", allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["rejected"]:
            if "allocations" in attrs:
                raise serializers.ValidationError("A rejection cannot have allocations.")
        elif missing := sorted({"reservation_id", "allocations"} - attrs.keys()):
            raise serializers.ValidationError(dict.fromkeys(missing, "This field is required."))
        return attrs


class ClientReason(serializers.ChoiceField):
    """Why a client cancels an order, or writes units off; only the service gives the others."""

    default_error_messages = {"reserved": "Only the service itself gives the reason {reason}."}

    def __init__(self) -> None:
        super().__init__(
            [
                (value, label)
                for value, label in CancellationReason.choices
                if value not in RESERVED_REASONS
            ]
        )

    def to_internal_value(self, data: Any) -> str:
        if data in RESERVED_REASONS:
            self.fail("reserved", reason=data)
        return super().to_internal_value(data)


class OrderCancel(Body):
    """The reason for the cancellation."""

    example = {"reason": "customer_request"}
    reason = ClientReason()


class OrderWriteOff(Body):
    """Units that will never ship, and the reason."""

    example = {"items": [{"order_item_id": ITEM_ID, "quantity": 1}], "reason": "out_of_stock"}
    items = ItemQuantities()
    reason = ClientReason()


class OrderHold(Body):
    """The reason for the hold."""

    example = {"reason": "address", "note": "There is no such street in Puebla."}
    reason = Choice(models.Order.HoldReason, "HoldReason")
    note = serializers.CharField(max_length=500, default="", allow_blank=True)


class Allocation(serializers.Serializer):
    """A quantity that Inventory reserved in one warehouse."""

    reservation_id = serializers.CharField()
    warehouse_id = serializers.CharField()
    quantity = serializers.IntegerField()


class NamedTax(serializers.Serializer):
    """One of several taxes."""

    name = serializers.CharField()
    rate = serializers.CharField(help_text="A fraction: `0.05` is 5 %.")


class TaxAmount(NamedTax):
    """One of several taxes, with its amount."""

    amount = serializers.CharField()


class NamedTaxes(serializers.ListField):
    """The taxes that have a name, of those that are stored."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            read_only=True, help_text="Several taxes; empty if `tax_rate` is that of one.", **kwargs
        )

    def to_representation(self, data: Any) -> Any:
        return super().to_representation([tax for tax in data if tax["name"]])


class ExemptionNoteOut(serializers.CharField):
    """The note on an exemption, of the taxes that are stored."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, allow_null=True, **kwargs)

    def to_representation(self, value: Any) -> str | None:  # type: ignore[override]
        return next((tax["note"] for tax in value), None)


class Discount(serializers.Serializer):
    """An amount taken off, and what for. Like the prices, it may include tax."""

    amount = MoneyOut()
    code = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)


class LineDiscount(Discount):
    """The discount of a line itself, without its share of the order's."""

    amount = MoneyOut(source="line_discount", currency="order.currency")
    code = serializers.CharField(source="discount_code", allow_null=True)
    reason = serializers.CharField(source="discount_reason", allow_null=True)


class ShippingDiscount(Discount):
    """The discount on the shipping."""

    amount = MoneyOut(source="shipping_discount")
    code = serializers.CharField(source="shipping_discount_code", allow_null=True)
    reason = serializers.CharField(source="shipping_discount_reason", allow_null=True)


class OrderDiscount(Discount):
    """The discount on the items of the order, which is split over its lines."""

    amount = MoneyOut(source="discount")
    code = serializers.CharField(source="discount_code", allow_null=True)
    reason = serializers.CharField(source="discount_reason", allow_null=True)


class OrderItem(ClientData):
    """A line: what was bought, its amounts, and how many of its units are in which state."""

    id = serializers.CharField()
    variant_id = serializers.CharField()
    title = serializers.CharField()
    quantity = serializers.IntegerField()
    cancelled = serializers.IntegerField(help_text="Units that are written off.")
    backordered = serializers.IntegerField(
        help_text="Units that are sent after Inventory has reserved them."
    )
    shipped = serializers.IntegerField()
    delivered = serializers.IntegerField()
    returned = serializers.IntegerField()
    unit_price = UnitPriceOut(currency="order.currency")
    subtotal = MoneyOut(currency="order.currency", help_text="Quantity × unit price.")
    discount = MoneyOut(
        currency="order.currency", help_text="All that is taken off, also its share of the order's."
    )
    own_discount = LineDiscount(source="*")
    net = MoneyOut(
        currency="order.currency", help_text="What is taxed: after the discount, without tax."
    )
    tax_rate = TaxRate(help_text="A fraction: `0.16` is 16 %. Of several taxes, their sum.")
    taxes = NamedTaxes(child=TaxAmount())
    tax_exemption = Exemption(source="taxes", read_only=True)
    tax_note = ExemptionNoteOut(source="taxes")
    tax = MoneyOut(currency="order.currency")
    total = MoneyOut(currency="order.currency", help_text="What the customer pays.")
    preferred_warehouse_id = serializers.CharField(allow_null=True)
    allocations = Allocation(many=True, source="allocated")


class OrderShipping(serializers.Serializer):
    """The carrier and service, and their price."""

    carrier = serializers.CharField(allow_null=True)
    service = serializers.CharField(allow_null=True)
    signature_required = serializers.BooleanField()
    cost = MoneyOut(source="shipping_price", help_text="Before the discount.")
    discount = ShippingDiscount(source="*")
    tax_rate = TaxRate(source="shipping_tax_rate")
    taxes = NamedTaxes(source="shipping_taxes", child=TaxAmount())
    tax_exemption = Exemption(source="shipping_taxes", read_only=True)
    tax_note = ExemptionNoteOut(source="shipping_taxes")
    tax = MoneyOut(source="shipping_tax")
    total = MoneyOut(source="shipping_total", help_text="What the customer pays.")


class Hold(serializers.Serializer):
    """Who put the order on hold, when and why."""

    reason = Choice(models.Order.HoldReason, "HoldReason", source="hold_reason")
    note = serializers.CharField(source="hold_note")
    by = serializers.CharField(source="held_by")
    at = serializers.DateTimeField(source="held_at")


class Cancellation(serializers.Serializer):
    """Who cancelled the order, when and why."""

    reason = Choice(CancellationReason, "CancellationReason", source="cancellation_reason")
    note = serializers.CharField(source="cancellation_note")
    by = serializers.CharField(source="cancelled_by")
    at = serializers.DateTimeField(source="cancelled_at")


class AmountDue(MoneyOut):
    """What is due for an order."""

    def get_attribute(self, instance: Any) -> str:
        return str(money(selectors.amount_due(instance), instance.currency))


class Order(ClientData):
    """An order with its items, amounts and state."""

    id = serializers.CharField()
    number = serializers.CharField()
    status = Choice(models.Order.Status, "OrderStatus")
    payment_status = serializers.SerializerMethodField(
        help_text="Whether the order is paid or refunded. `authorized`: gateways reserve what is "
        "due. `partially_paid`: the rest is due."
    )
    is_disputed = serializers.BooleanField(
        help_text="Whether the customer's bank takes a payment back and has not decided yet."
    )
    fulfillment_status = serializers.SerializerMethodField(
        help_text="Which part of the active units is shipped or delivered."
    )
    is_backordered = serializers.BooleanField(
        source="has_backordered_units", help_text="Whether units of some items are back-ordered."
    )
    return_status = serializers.SerializerMethodField(
        help_text="Which part of the delivered units was returned."
    )
    cart_id = serializers.CharField(allow_null=True)
    replaces = serializers.CharField(source="replaces_id", allow_null=True)
    replaced_by = serializers.CharField(source="replaced_by_id", allow_null=True)
    exchanges = serializers.CharField(
        allow_null=True, help_text="The return whose refund pays this order."
    )
    purchase_order_number = serializers.CharField(allow_null=True)
    customer_id = serializers.CharField(allow_null=True)
    customer_email = serializers.CharField(allow_null=True)
    locale = serializers.CharField(
        allow_null=True, help_text="Null: documents are in the language of the organization."
    )
    local_id = serializers.CharField(allow_null=True)
    currency = CurrencyCode()
    tax_inclusive = serializers.BooleanField(
        help_text="Whether prices, discounts and the shipping cost include tax."
    )
    tax_rounding = Choice(TaxRounding, "TaxRounding")
    items = OrderItem(source="lines", many=True)
    shipping_address = Address(allow_null=True)
    billing_address = Address(allow_null=True)
    shipping = OrderShipping(source="*")
    discount = OrderDiscount(source="*")
    subtotal = MoneyOut(help_text="The sum of the items after their own discounts.")
    tax = MoneyOut(help_text="Of all items and the shipping.")
    total = MoneyOut()
    amount_due = AmountDue(help_text="What the customer still has to pay of the total.")
    payment_method = Choice(
        models.Order.PaymentMethod,
        "OrderPaymentMethod",
        allow_null=True,
        help_text="What the customer chose when placing the order.",
    )
    reservation_id = serializers.CharField(allow_null=True)
    reservation_expires_at = serializers.DateTimeField(allow_null=True)
    payment_id = serializers.CharField(allow_null=True)
    hold = serializers.SerializerMethodField()
    cancellation = serializers.SerializerMethodField()
    placed_at = serializers.DateTimeField(allow_null=True)
    confirmed_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(
        allow_null=True, help_text="The time of the latest delivery."
    )
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    allowed_actions = AllowedActions(models.Order)

    get_payment_status = staticmethod(selectors.payment_status)
    get_fulfillment_status = staticmethod(selectors.fulfillment_status)
    get_return_status = staticmethod(selectors.return_status)

    @extend_schema_field(Hold(allow_null=True))
    def get_hold(self, order: models.Order) -> dict[str, Any] | None:
        is_shown = order.held_at and not self.context["view"].caller.is_bound
        return Hold(order).data if is_shown else None

    @extend_schema_field(Cancellation(allow_null=True))
    def get_cancellation(self, order: models.Order) -> dict[str, Any] | None:
        return Cancellation(order).data if order.cancelled_at else None


class EditedOrder(serializers.Serializer[Any]):
    """An order as edited. In a preview, its ids and its number are temporary."""

    committed = serializers.BooleanField(help_text="False in a preview: nothing has changed.")
    total_before = MoneyOut()
    amount_due = MoneyOut(help_text="What is to be paid besides what was paid before.")
    to_refund = MoneyOut(help_text="What was paid before, and goes back.")
    currency = CurrencyCode()
    order = Order()
