"""The orders' REST API."""

from typing import Any

from django.http import HttpResponse
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.views import ContextViewSet
from events.views import timeline
from orders import selectors, serializers, services
from orders.filters import OrderFilters
from orders.models import Order


class Orders(ListModelMixin, RetrieveModelMixin, ContextViewSet):
    """An order, from opening it to its end."""

    scope = "orders"
    queryset = selectors.with_lines()
    serializer_class = serializers.OrderOut
    filterset_class = OrderFilters

    def create(self, request: Request) -> Response:
        body = self.body(serializers.NewOrder)
        order = services.open_order(organization_id=self.caller.organization_id, **body)
        return self.answer(order, status=201)

    @action(detail=True)
    def timeline(self, request: Request, pk: str) -> HttpResponse:
        """Every event of every context about this order, internal ones too, in order."""
        return timeline(request, self.get_object().stream)

    @action(detail=True, methods=["post"])
    def place(self, request: Request, pk: str) -> Response:
        self.body(serializers.Nothing)
        return self.answer(services.place_order(order_id=self.get_object().id))

    @action(detail=True, methods=["post"])
    def reservation(self, request: Request, pk: str) -> Response:
        order, body = self.get_object(), self.body(serializers.Reservation)
        if body["rejected"]:
            order = services.reject_reservation(order_id=order.id, note=body["reason"])
        else:
            order = services.reserve_stock(
                order_id=order.id,
                reservation_id=body["reservation_id"],
                allocations=body["allocations"],
            )
        return self.answer(order)

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        order, body = self.get_object(), self.body(serializers.Cancellation)
        return self.answer(services.cancel_order(order_id=order.id, **body))

    @action(detail=True, methods=["post"], url_path="write-off")
    def write_off(self, request: Request, pk: str) -> Response:
        order, body = self.get_object(), self.body(serializers.WriteOff)
        units = serializers.total_units(body["items"])
        order = services.write_off_units(order_id=order.id, units=units, reason=body["reason"])
        return self.answer(order)

    @action(detail=True, methods=["post"])
    def hold(self, request: Request, pk: str) -> Response:
        order, body = self.get_object(), self.body(serializers.Hold)
        return self.answer(services.hold_order(order_id=order.id, **body))

    @action(detail=True, methods=["post"])
    def release(self, request: Request, pk: str) -> Response:
        self.body(serializers.Nothing)
        return self.answer(services.release_order(order_id=self.get_object().id))

    def answer(self, order: Order, **kwargs: Any) -> Response:
        """Answer with the order as it is in the database now."""
        return Response(self.get_serializer(selectors.get(order.id)).data, **kwargs)
