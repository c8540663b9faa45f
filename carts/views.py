"""The REST API of carts."""

from django.http import Http404
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

import orders.selectors
from carts import selectors, serializers, services
from carts.exceptions import (
    AlreadyCheckedOut,
    CannotMerge,
    CartItemNotFound,
    CartTooLarge,
    ShippingAddressRequired,
)
from carts.filters import CartFilters
from carts.models import Cart
from config.api.operations import endpoint
from config.api.permissions import MissingScope
from config.api.views import command
from config.core.money import AmountTooLarge, InexactAmount, PriceTooExact
from events.viewsets import AggregateViewSet
from orders.exceptions import (
    DiscountTooLarge,
    OrderTooLarge,
    PaymentTermsUnavailable,
    TotalDiffers,
)
from orders.serializers import Order

PRICE = "carts:price"


class Carts(AggregateViewSet):
    """Fill, merge and check out carts."""

    scope = "carts"
    queryset = selectors.with_lines()
    serializer_class = serializers.Cart
    get_for_update = staticmethod(selectors.get_for_update)
    filterset_class = CartFilters
    lines = ("items",)
    summaries = selectors.with_value()
    summary_class = serializers.CartSummary
    idempotency_key_required = frozenset({"checkout"})

    @endpoint(request=serializers.CartCreate, status=201, example="cart_created", scope="fill")
    def create(self, request: Request) -> Response:
        """Open a cart for a customer, a session, or both.

        `tax_inclusive` also needs the scope `carts:price`, because it changes what a price means,
        and so does `internal_note`.
        """
        self._expect_may_price("tax_inclusive", "internal_note")
        body, caller = self.body(), self.caller
        if caller.is_bound:
            owner = {"customer_id": caller.customer_id, "session_id": caller.session_id}
            for name, value in owner.items():
                if body.get(name) not in (None, value):
                    raise ValidationError({name: [f"The token is bound to {value or 'no other'}."]})
            body |= owner
        return self.answer(services.open_cart(organization_id=caller.organization_id, **body))

    @command(
        serializers.CartItemCreate,
        status=201,
        operation_id="add_cart_item",
        errors=[
            CartTooLarge,
            DiscountTooLarge,
            InexactAmount,
            PriceTooExact,
            AmountTooLarge,
        ],
        verb="add_item",
        scope="price",
    )
    def items(self, cart: Cart) -> Cart:
        """Add units to the line that is the same but for its quantity, or to a new line.

        Units share a line if they have the same variant, title, warehouse, price, taxes, metadata,
        reference and notes, and their discounts the same code and reason. These are added up.
        """
        return services.add_item(cart_id=cart.id, **self.body())

    @action(detail=True, methods=["patch"], url_path=r"items/(?P<item_id>[A-Za-z0-9_-]{1,64})")
    @endpoint(
        request=serializers.CartItemUpdate,
        example="cart_changed",
        operation_id="update_cart_item",
        errors=[CartItemNotFound, DiscountTooLarge, InexactAmount, AmountTooLarge],
        verb="change_item",
        scope="fill",
    )
    def item(self, request: Request, pk: str, item_id: str) -> Response:
        """Set the quantity of a line. A `discount` also needs the scope `carts:price`."""
        self._expect_may_price("discount")
        cart = self.get_object()
        return self.answer(services.change_item(cart_id=cart.id, item_id=item_id, **self.body()))

    @item.mapping.delete
    @endpoint(
        example="cart_empty",
        operation_id="remove_cart_item",
        errors=[CartItemNotFound],
        scope="fill",
    )
    def remove_item(self, request: Request, pk: str, item_id: str) -> Response:
        """Remove a line."""
        cart = self.get_object()
        return self.answer(services.remove_item(cart_id=cart.id, item_id=item_id))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.CartMerge,
        errors=[CannotMerge, CartTooLarge],
        verb="merge",
        scope="fill",
    )
    def merge(self, request: Request, pk: str) -> Response:
        """Merge a guest's cart into a customer's cart, and return the latter."""
        if not self.visible(Cart.objects.all()).filter(pk=pk).exists():
            raise Http404  # not locked yet: the service locks both carts
        return self.answer(services.merge_cart(cart_id=pk, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.Checkout,
        response=Order,
        status=(201, 200),
        example="order_placed",
        operation_id="check_out_cart",
        errors=[
            ShippingAddressRequired,
            DiscountTooLarge,
            OrderTooLarge,
            PaymentTermsUnavailable,
            TotalDiffers,
            AlreadyCheckedOut,
            InexactAmount,
            AmountTooLarge,
        ],
        blocked_status="expired",
        scope="checkout",
    )
    def checkout(self, request: Request, pk: str) -> Response:
        """Check out a cart: 201, or 200 with the same order if the same data is sent again.

        `shipping` and `discount` also need the scope `carts:price`, because they change the total,
        and so do `internal_note`, and payment methods that confirm the order before it is paid.
        """
        self._expect_may_price("shipping", "discount", "internal_note")
        cart, body = self.get_object(), self.body()
        if orders.selectors.is_on_account(body.get("payment_method")):
            self._expect_may_price("payment_method")
        order, is_new = services.check_out(cart_id=cart.id, **body)
        shown = Order(orders.selectors.with_totals(order), context=self.get_serializer_context())
        return Response(shown.data, status=201 if is_new else 200)

    def _expect_may_price(self, *fields: str) -> None:
        """Raise MissingScope if the request has a field that only the shop may set."""
        if not self.caller.may(PRICE) and set(fields).intersection(self.request.data):
            raise MissingScope(PRICE)
