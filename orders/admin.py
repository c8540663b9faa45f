"""Orders in the admin."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from config.admin.columns import address, amount, badge, details, metadata, taxes
from config.admin.commands import Command, line_choices
from config.admin.filters import CreatedFilter
from config.admin.pages import Lines, PolicyAdmin, tab
from config.admin.queues import Queue, QueueFilter
from config.core.money import money, unit_price
from events.admin import people
from events.admin.aggregates import link
from events.admin.people import REFERENCES, OwnerAdmin
from orders import selectors, serializers
from orders.models import Order, OrderItem, Policy, WriteOff
from orders.services import edits, goods, lifecycle, reservations

STATUS = badge(
    "status",
    {
        "pending": "warning",
        "placed": "warning",
        "paid": "warning",
        "confirmed": "info",
        "processing": "info",
        "shipped": "info",
        "delivered": "success",
        "cancelled": "danger",
    },
)
PAYMENT = badge(
    "payment",
    {
        "paid": "success",
        "unpaid": "warning",
        "authorized": "info",
        "partially_paid": "warning",
        "partially_refunded": "info",
        "refunded": "danger",
    },
    selectors.payment_status,
)
FULFILLMENT = badge("fulfillment", {"delivered": "success"}, selectors.fulfillment_status)
RETURN = badge("returns", {"returned": "danger"}, selectors.return_status)
HOLD = badge("on hold", {"held": "warning"}, lambda order: "held" if order.is_held() else "-")
HOLD_TAB, CANCELLATION_TAB = _("Hold"), _("Cancellation")
AMOUNTS = ("subtotal", "discount", "tax", "total")  # of a line


def known_allocation(order: Order) -> Mapping[str, Any]:
    """Return the back-ordered units with their preferred warehouses, if there are some.

    Otherwise the current reservation, with preferred warehouses for what is not allocated.
    """
    if lines := [line for line in order.lines if line.backordered]:
        return {
            "allocations": [
                {
                    "order_item_id": line.id,
                    "warehouse_id": line.preferred_warehouse_id,
                    "quantity": line.backordered,
                }
                for line in lines
            ]
        }
    return {
        "reservation_id": order.reservation_id,
        "allocations": [
            {"order_item_id": line.id, "warehouse_id": warehouse, "quantity": quantity}
            for line in order.lines
            for warehouse, quantity in line.by_warehouse().items()
        ],
    }


def unshipped_lines(order: Order) -> Mapping[str, Any]:
    """Return a form row for each line with unshipped units."""
    lines = [line for line in order.lines if line.unshipped_quantity]
    return {"items": [{"order_item_id": line.id} for line in lines]}


def as_ordered(order: Order) -> Mapping[str, Any]:
    """Return a form row for each line, and the total."""
    return {
        "items": [
            {
                "order_item_id": line.id,
                "quantity": line.quantity,
                "unit_price": unit_price(line.unit_price, order.currency),
            }
            for line in order.lines
        ],
        "expected_total": money(order.total, order.currency),
    }


def discount(amount: Decimal, code: str | None, reason: str | None) -> str:
    """Return a discount, with what it is for."""
    return " ".join(filter(None, [f"{amount.normalize():f}", code, reason])) if amount else "-"


class OrderItems(Lines):
    model = OrderItem
    verbose_name_plural = _("lines")
    fields = readonly_fields = [
        "title",
        "variant_id",
        "quantity",
        amount("unit_price", currency="order.currency", written=unit_price),
        *(amount(name, currency="order.currency") for name in AMOUNTS),
        "own_discount",
        taxes("taxes", rate="tax_rate"),
        details,
        "allocated_",
        *OrderItem.UPDATE_FIELDS,
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrderItem]:
        rows: QuerySet[OrderItem] = super().get_queryset(request)
        return rows.select_related("order").prefetch_related("allocations")

    @admin.display(description=_("own discount"))
    def own_discount(self, line: OrderItem) -> str:
        return discount(line.line_discount, line.discount_code, line.discount_reason)

    @admin.display(description=_("allocated"))
    def allocated_(self, line: OrderItem) -> str:
        return ", ".join(map(str, line.allocated)) or "-"


class WriteOffs(Lines):
    model = WriteOff
    list_select_related = ("order", "order_item")
    verbose_name_plural = _("written-off units")
    fields = readonly_fields = [
        "order_item",
        "quantity",
        "warehouse_id",
        "reason",
        amount("amount", currency="order.currency"),
        "written_off_by",
        "written_off_at",
        "released_at",
    ]


@admin.register(Order)
class OrderAdmin(OwnerAdmin):
    icon = "receipt_long"
    commands = {
        "place": Command(
            lifecycle.place_order,
            serializers.OrderPlace,
            label=_("Place order"),
            done=_("Order {row} was placed."),
            icon="shopping_bag",
            description=_("Place the order. Inventory reserves its stock."),
        ),
        "reservation": Command(
            reservations.record_reservation,
            serializers.OrderReservation,
            label=_("Record reservation"),
            done=_("The reservation of order {row} was recorded."),
            start=known_allocation,
            choices=line_choices("order_item_id", key="id"),
            icon="warehouse",
            description=_(
                "Record where Inventory reserved the stock, or that it cannot supply the order. "
                "A rejected order is cancelled."
            ),
        ),
        "correct": Command(
            lifecycle.correct_order,
            serializers.OrderCorrect,
            label=_("Correct order"),
            done=_("Order {row} was corrected."),
            start=lambda order: {
                "customer_email": order.customer_email,
                "shipping_address": order.shipping_address,
                "billing_address": order.billing_address,
            },
            icon="edit_location_alt",
            description=_(
                "Correct the addresses or the e-mail address, before anything is shipped."
            ),
        ),
        "edit": Command(
            edits.edit_order,
            serializers.OrderEditForm,
            label=_("Edit lines"),
            done=_("Order {row} was edited: another order replaces it."),
            start=as_ordered,
            choices=line_choices("order_item_id", key="id"),
            icon="edit_note",
            description=_(
                "Change quantities and prices, add lines, or remove them with the quantity 0. "
                "Another order replaces this one, and what was paid counts for it. If you expect "
                "another total, you are told what it would be, and nothing changes."
            ),
            ends=True,
        ),
        "cancel": Command(
            lifecycle.cancel_order,
            serializers.OrderCancel,
            label=_("Cancel order"),
            done=_("Order {row} was cancelled."),
            icon="cancel",
            description=_("Cancel the order. Inventory releases its stock; payments are refunded."),
            ends=True,
        ),
        "hold": Command(
            lifecycle.hold_order,
            serializers.OrderHold,
            label=_("Hold order"),
            done=_("Order {row} was put on hold."),
            icon="pause",
            description=_(
                "Put the order on hold. Until it is released, nothing is picked, packed, labeled "
                "or dispatched."
            ),
        ),
        "release": Command(
            lifecycle.release_order,
            label=_("Release order"),
            done=_("Order {row} was released."),
            icon="resume",
            description=_("Release the order from hold, so that its units can be sent."),
            bulk=True,
        ),
        "write-off": Command(
            goods.write_off_units,
            serializers.OrderWriteOff,
            label=_("Write off units"),
            done=_("Units of order {row} were written off."),
            start=unshipped_lines,
            choices=line_choices("order_item_id", key="id"),
            icon="remove_shopping_cart",
            description=_(
                "Write off units that will never ship, and refund what was paid for them."
            ),
            ends=True,
        ),
        "release-units": Command(
            goods.release_written_off_units,
            label=_("Release stock"),
            done=_("The stock of order {row} was released."),
            icon="inventory",
            description=_("Confirm that you released the stock of written-off units in Inventory."),
            bulk=True,
        ),
        **people.COMMANDS,
    }
    queues = (
        Queue("held", _("On hold"), selectors.ON_HOLD, "pause"),
        Queue("backordered", _("Back-ordered"), selectors.WITH_BACKORDERED_UNITS, "schedule"),
        Queue(
            "unreleased",
            _("Release stock in Inventory"),
            selectors.WITH_UNRELEASED_UNITS,
            "inventory",
        ),
    )
    list_display = [
        "number",
        STATUS,
        "organization_id",
        "customer_id",
        amount("total"),
        PAYMENT,
        FULFILLMENT,
        HOLD,
        "created_at",
    ]
    list_filter = [QueueFilter, "status", ("created_at", CreatedFilter)]
    search_fields = [
        *("number", "id", "customer_id", "customer_email", "organization_id"),
        *REFERENCES,
    ]
    search_help_text = _(
        "The full id of an order, customer or organization, an order number, an e-mail address, a "
        "reference of the order or of a line, a purchase order number, or an entry of the "
        "metadata, as name:value"
    )
    fields = [
        ("number", STATUS),
        ("id", PAYMENT),
        ("organization_id", FULFILLMENT),
        ("local_id", RETURN),
        ("created_at", amount("total")),
    ]
    tabs = (
        tab(
            _("Customer"),
            ("customer_id", "customer_email", "locale"),
            (address("shipping_address"), address("billing_address")),
        ),
        tab(
            _("References and notes"),
            ("external_reference", "purchase_order_number"),
            ("customer_note", "internal_note"),
            (metadata,),
        ),
        tab(
            _("Amounts"),
            ("tax_inclusive", "tax_rounding"),
            (amount("subtotal"), "order_discount"),
            (amount("shipping_price"), "shipping_discount_"),
            (taxes("shipping_taxes", rate="shipping_tax_rate"), amount("shipping_tax")),
            (amount("tax"), amount("total")),
            ("payment_id", "confirmed_at"),
        ),
        tab(
            _("Delivery"),
            ("carrier", "service"),
            ("reservation_id", "reservation_expires_at"),
            ("payment_method", "signature_required"),
            "delivered_at",
            ("delivery_signature", "delivery_photo_url"),
        ),
        tab(HOLD_TAB, ("hold_reason", "hold_note"), ("held_by", "held_at")),
        tab(
            CANCELLATION_TAB,
            ("cancellation_reason", "cancellation_note"),
            ("cancelled_by", "cancelled_at"),
        ),
        tab(
            _("Origin"),
            (link("cart_id", "cart"), link("exchanges", "exchanged return")),
            ("replaces", "replaced_by"),
            ("placed_at", "updated_at"),
        ),
    )

    def allowed(self, row: Any) -> list[str]:
        found = super().allowed(row)
        return [*found[:1], "edit", *found[1:]] if "cancel" in found else found

    def rows(self, request: HttpRequest) -> QuerySet[Order]:
        return selectors.with_payment_totals()

    @admin.display(description=_("discount"))
    def order_discount(self, order: Order) -> str:
        return discount(order.discount, order.discount_code, order.discount_reason)

    @admin.display(description=_("discount on the shipping"))
    def shipping_discount_(self, order: Order) -> str:
        code, reason = order.shipping_discount_code, order.shipping_discount_reason
        return discount(order.shipping_discount, code, reason)

    def get_fieldsets(self, request: HttpRequest, obj: Order | None = None) -> Any:
        """Leave out the tabs of what has not happened."""
        assert obj, "operators do not add orders"
        happened: dict[Any, Any] = {HOLD_TAB: obj.held_at, CANCELLATION_TAB: obj.cancelled_at}
        found = super().get_fieldsets(request, obj)
        return [each for each in found if happened.get(each[0], True)]

    def get_inlines(self, request: HttpRequest, obj: Order | None) -> Any:
        """Leave out write-offs if there are none."""
        assert obj, "operators do not add orders"
        return [OrderItems, WriteOffs] if obj.write_offs.exists() else [OrderItems]


@admin.register(Policy)
class OrderPolicyAdmin(PolicyAdmin):
    list_display = [
        "organization_id",
        "time_zone",
        "reservation_ttl_minutes",
        "pending_order_days",
        "reservation",
        "tax_inclusive",
        "tax_rounding",
    ]
