"""Carts in the admin."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from carts import selectors, serializers, services
from carts.models import Cart, CartItem, Policy
from config.admin.columns import amount, badge, details, metadata, taxes
from config.admin.commands import Command, line_choices
from config.admin.pages import Lines, PolicyAdmin
from config.api.serializers import ExternalId, StrictSerializer
from config.core.money import unit_price
from events.admin import people
from events.admin.people import REFERENCES, OwnerAdmin

STATUS = badge(
    "status",
    {"active": "info", "abandoned": "warning", "converted": "success", "expired": "danger"},
)


class LineRemoval(StrictSerializer):
    """The line to remove."""

    item_id = ExternalId()


class LineChange(LineRemoval, serializers.CartItemUpdate):
    """A line and its new quantity."""


class CartItems(Lines):
    model = CartItem
    list_select_related = ("cart",)
    verbose_name_plural = _("lines")
    fields = readonly_fields = [
        "title",
        "variant_id",
        "quantity",
        amount("unit_price", currency="cart.currency", written=unit_price),
        amount("line_discount", currency="cart.currency"),
        "discount_code",
        "discount_reason",
        taxes("taxes", rate="tax_rate"),
        "preferred_warehouse_id",
        details,
    ]


@admin.register(Cart)
class CartAdmin(OwnerAdmin):
    icon = "shopping_cart"
    commands = {
        "add-item": Command(
            services.add_item,
            serializers.CartItemCreate,
            label=_("Add item"),
            done=_("The item was added to cart {row}."),
            icon="add_shopping_cart",
            description=_(
                "Add units to the line that is the same but for its quantity, or to a new line."
            ),
        ),
        "change-item": Command(
            services.change_item,
            LineChange,
            label=_("Change item"),
            done=_("The item of cart {row} was changed."),
            choices=line_choices("item_id", key="id"),
            icon="edit",
            description=_("Change the quantity of a line, or its discount; 0 removes it."),
        ),
        "remove-item": Command(
            services.remove_item,
            LineRemoval,
            label=_("Remove item"),
            done=_("The item was removed from cart {row}."),
            choices=line_choices("item_id", key="id"),
            icon="remove_shopping_cart",
            description=_("Remove a line from the cart."),
        ),
        "merge": Command(
            services.merge_cart,
            serializers.CartMerge,
            label=_("Merge cart"),
            done=_("Cart {row} was merged."),
            icon="merge",
            description=_("Merge this guest's cart into a customer's cart."),
            ends=True,
        ),
        "checkout": Command(
            services.check_out,
            serializers.Checkout,
            label=_("Check out"),
            done=_("Cart {row} was checked out."),
            start=lambda cart: {name: getattr(cart, name) for name in Cart.INHERITED_FIELDS},
            icon="shopping_cart_checkout",
            description=_("Check out the cart: its order is placed immediately."),
        ),
        **people.COMMANDS,
    }
    list_display = [
        "id",
        STATUS,
        "organization_id",
        "customer_id",
        "items_count",
        amount("value"),
        "last_activity_at",
    ]
    list_filter = ["status", "last_activity_at"]
    search_fields = ["id", "customer_id", "session_id", "organization_id", *REFERENCES]
    search_help_text = _(
        "The full id of a cart, customer, session or organization, a reference of the cart or of a "
        "line, a purchase order number, or an entry of the metadata, as name:value"
    )
    inlines = [CartItems]
    fields = [
        ("id", STATUS),
        ("organization_id", "local_id"),
        ("customer_id", "session_id", "locale"),
        ("items_count", amount("value"), "tax_inclusive"),
        ("created_at", "last_activity_at"),
        ("abandoned_at", "order"),
        ("updated_at", "merged_into"),
        ("external_reference", "purchase_order_number"),
        ("customer_note", "internal_note"),
        metadata,
    ]

    def rows(self, request: HttpRequest) -> QuerySet[Cart]:
        return selectors.with_lines()


@admin.register(Policy)
class CartPolicyAdmin(PolicyAdmin):
    list_display = ["organization_id", "abandoned_after"]
