"""The orders' REST API."""

from django.http import HttpResponse
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.operations import endpoint
from config.api.serializers import ActionRequest
from config.api.views import ContextViewSet
from events.views import Page, Timeline, timeline
from orders import selectors, serializers, services
from orders.filters import OrderFilters


class Orders(ListModelMixin, RetrieveModelMixin, ContextViewSet):
    """An order, from opening it to its end."""

    scope = "orders"
    queryset = selectors.to_show()
    serializer_class = serializers.Order
    filterset_class = OrderFilters

    @endpoint(request=serializers.OrderCreate, status=201, example="order_pending")
    def create(self, request: Request) -> Response:
        """Open an order that was no cart before. Nothing is reserved until it is placed."""
        organization_id = self.caller.organization_id
        return self.answer(services.open_order(organization_id=organization_id, **self.body()))

    @action(detail=True)
    @endpoint(request=Page, response=Timeline)
    def timeline(self, request: Request, pk: str) -> HttpResponse:
        """Every event of every context about this order, internal ones too, in order."""
        return timeline(request, self.query(), self.get_object().stream)

    @action(detail=True, methods=["post"])
    @endpoint(request=ActionRequest, example="order_placed")
    def place(self, request: Request, pk: str) -> Response:
        """The customer commits: stock is reserved for as long as paying may take."""
        self.body()
        return self.answer(services.place_order(order_id=self.get_object().id))

    @action(detail=True, methods=["post"])
    @endpoint(request=serializers.OrderReservation)
    def reservation(self, request: Request, pk: str) -> Response:
        """Inventory's answer: where the units come from, or that there are none."""
        order = self.get_object()
        return self.answer(services.record_reservation(order_id=order.id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(request=serializers.OrderCancel, example="order_cancelled")
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel an order of which nothing has been dispatched."""
        order = self.get_object()
        return self.answer(services.cancel_order(order_id=order.id, **self.body()))

    @action(detail=True, methods=["post"], url_path="write-off")
    @endpoint(request=serializers.OrderWriteOff, example="order_written_off")
    def write_off(self, request: Request, pk: str) -> Response:
        """Give up units that will never ship."""
        order = self.get_object()
        return self.answer(services.write_off_units(order_id=order.id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(request=serializers.OrderHold, example="order_on_hold")
    def hold(self, request: Request, pk: str) -> Response:
        """Keep fulfillment from starting until somebody has looked at it."""
        order = self.get_object()
        return self.answer(services.hold_order(order_id=order.id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(request=ActionRequest)
    def release(self, request: Request, pk: str) -> Response:
        """Lift the hold."""
        self.body()
        return self.answer(services.release_order(order_id=self.get_object().id))
