"""Carts as operators see them."""

from collections.abc import Mapping

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from carts import selectors, serializers, services
from carts.models import Cart, CartItem, Policy
from config.admin.columns import amount, badge
from config.admin.commands import Command
from config.admin.pages import Lines, PolicyAdmin
from config.api.serializers import ExternalId, StrictSerializer
from events.admin.aggregates import AggregateAdmin

STATUS = badge(
    "status",
    {"active": "info", "abandoned": "warning", "converted": "success", "expired": "danger"},
)


class LineRemoval(StrictSerializer):
    """The line that nobody wants any more."""

    item_id = ExternalId()


class LineChange(LineRemoval, serializers.CartItemUpdate):
    """A line, and the quantity that it is to have."""


def items(cart: Cart) -> Mapping[str, list[tuple[str, str]]]:
    """The cart's lines, to choose from."""
    return {"item_id": [(line.id, f"{line} ({line.title})") for line in cart.lines]}


class CartItems(Lines):
    """What somebody means to buy."""

    model = CartItem
    verbose_name_plural = "lines"
    fields = readonly_fields = [
        "title",
        "variant_id",
        "quantity",
        amount("unit_price", currency="cart.currency"),
        "tax_rate",
        "preferred_warehouse_id",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CartItem]:
        rows: QuerySet[CartItem] = super().get_queryset(request)
        return rows.select_related("cart")


@admin.register(Cart)
class CartAdmin(AggregateAdmin):
    icon = "shopping_cart"
    commands = {
        "add-item": Command(
            services.add_item,
            serializers.CartItemCreate,
            icon="add_shopping_cart",
        ),
        "change-item": Command(
            services.change_item,
            LineChange,
            choices=items,
            icon="edit",
        ),
        "remove-item": Command(
            services.remove_item,
            LineRemoval,
            choices=items,
            icon="remove_shopping_cart",
        ),
        "merge": Command(
            services.merge_cart,
            serializers.CartMerge,
            icon="merge",
            ends=True,
        ),
        "checkout": Command(
            services.check_out,
            serializers.Checkout,
            icon="shopping_cart_checkout",
        ),
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
    search_fields = [
        "id__exact",
        "customer_id__exact",
        "session_id__exact",
        "organization_id__exact",
    ]
    search_help_text = "A whole id, customer, session or organization"
    ordering = ["-id"]
    inlines = [CartItems]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("id", STATUS),
                    ("organization_id", "local_id"),
                    ("customer_id", "session_id"),
                    ("items_count", amount("value")),
                    ("created_at", "last_activity_at"),
                    ("abandoned_at", "order"),
                    ("updated_at", "merged_into"),
                ]
            },
        )
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Cart]:
        return selectors.with_lines()


@admin.register(Policy)
class CartPolicyAdmin(PolicyAdmin):
    list_display = ["organization_id", "abandoned_after"]
