"""The carts' REST API."""

from typing import Any

from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

import orders.selectors
from carts import selectors, serializers, services
from carts.filters import CartFilters
from config.api.views import ContextViewSet
from orders.serializers import NewItem, OrderOut, Terms


class Carts(ListModelMixin, RetrieveModelMixin, ContextViewSet):
    """A cart, its lines, and its checkout."""

    scope = "carts"
    queryset = selectors.with_lines()
    serializer_class = serializers.CartOut
    filterset_class = CartFilters
    idempotency_key_required = frozenset({"checkout"})

    def create(self, request: Request) -> Response:
        body = self.body(serializers.NewCart)
        cart = services.open_cart(organization_id=self.caller.organization_id, **body)
        return self.answer(cart.id, status=201)

    @action(detail=True, methods=["post"])
    def items(self, request: Request, pk: str) -> Response:
        cart = self.get_object()
        services.add_item(cart_id=cart.id, **self.body(NewItem))
        return self.answer(cart.id, status=201)

    @action(detail=True, methods=["patch"], url_path=r"items/(?P<item_id>[A-Za-z0-9_-]{1,64})")
    def item(self, request: Request, pk: str, item_id: str) -> Response:
        cart = self.get_object()
        body = self.body(serializers.ItemChange)
        services.change_item(cart_id=cart.id, item_id=item_id, **body)
        return self.answer(cart.id)

    @item.mapping.delete
    def remove_item(self, request: Request, pk: str, item_id: str) -> Response:
        cart = self.get_object()
        services.remove_item(cart_id=cart.id, item_id=item_id)
        return self.answer(cart.id)

    @action(detail=True, methods=["post"])
    def merge(self, request: Request, pk: str) -> Response:
        cart = self.get_object()
        into = services.merge_cart(cart_id=cart.id, **self.body(serializers.Merge))
        return self.answer(into.id)

    @action(detail=True, methods=["post"])
    def checkout(self, request: Request, pk: str) -> Response:
        cart = self.get_object()
        order_id, is_new = services.check_out(cart_id=cart.id, **self.body(Terms))
        order = OrderOut(orders.selectors.get(order_id))
        return Response(order.data, status=201 if is_new else 200)

    def answer(self, cart_id: str, **kwargs: Any) -> Response:
        """Answer with the cart as it is in the database now."""
        return Response(self.get_serializer(self.get_queryset().get(pk=cart_id)).data, **kwargs)
