"""The REST API of orders."""

from django.http import HttpResponse
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.operations import endpoint
from config.api.serializers import ActionRequest
from config.api.views import ContextViewSet
from config.core.money import AmountTooLarge, InexactAmount
from events.serializers import invalid_transition
from events.views import Page, Timeline, timeline
from orders import selectors, serializers, services
from orders.exceptions import (
    AlreadyShipped,
    DiscountTooLarge,
    FulfillmentHasStarted,
    OrderIsCancelled,
    OrderTooLarge,
    TooManyUnits,
    UnitsArePicked,
    UnknownOrderItem,
)
from orders.filters import OrderFilters
from orders.models import Order


class Orders(ListModelMixin, RetrieveModelMixin, ContextViewSet):
    """Open, place, hold and cancel orders."""

    scope = "orders"
    queryset = selectors.with_payment_totals()
    serializer_class = serializers.Order
    filterset_class = OrderFilters

    @endpoint(
        request=serializers.OrderCreate,
        status=201,
        example="order_pending",
        errors=[DiscountTooLarge, InexactAmount, AmountTooLarge],
    )
    def create(self, request: Request) -> Response:
        """Open an order without a cart. No stock is reserved until it is placed."""
        organization_id = self.caller.organization_id
        return self.answer(services.open_order(organization_id=organization_id, **self.body()))

    @action(detail=True)
    @endpoint(request=Page, response=Timeline, operation_id="get_order_timeline")
    def timeline(self, request: Request, pk: str) -> HttpResponse:
        """List all events about an order, including internal ones, oldest first."""
        return timeline(request, self.query(), self.get_object().stream)

    @action(detail=True, methods=["post"])
    @endpoint(
        request=ActionRequest,
        example="order_placed",
        errors=[invalid_transition(Order, "place"), OrderTooLarge],
    )
    def place(self, request: Request, pk: str) -> Response:
        """Place an order, and have Inventory reserve its stock."""
        self.body()
        return self.answer(services.place_order(order_id=self.get_object().id))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.OrderReservation,
        operation_id="record_reservation",
        errors=[
            invalid_transition(Order, "reservation"),
            OrderIsCancelled,
            FulfillmentHasStarted,
            UnknownOrderItem,
            TooManyUnits,
            OrderTooLarge,
        ],
    )
    def reservation(self, request: Request, pk: str) -> Response:
        """Record Inventory's response: a reservation with its allocations, or a rejection."""
        order = self.get_object()
        return self.answer(services.record_reservation(order_id=order.id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.OrderCancel,
        example="order_cancelled",
        errors=[invalid_transition(Order, "cancel"), AlreadyShipped],
    )
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel an order before any of its units has left, and refund its payments."""
        order = self.get_object()
        return self.answer(services.cancel_order(order_id=order.id, **self.body()))

    @action(detail=True, methods=["post"], url_path="write-off")
    @endpoint(
        request=serializers.OrderWriteOff,
        example="order_written_off",
        operation_id="write_off_order_units",
        errors=[
            invalid_transition(Order, "write-off"),
            UnitsArePicked,
            UnknownOrderItem,
            TooManyUnits,
        ],
    )
    def write_off(self, request: Request, pk: str) -> Response:
        """Write off units that will never ship, and refund what was paid for them."""
        order = self.get_object()
        return self.answer(services.write_off_units(order_id=order.id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.OrderHold,
        example="order_on_hold",
        errors=[invalid_transition(Order, "hold")],
    )
    def hold(self, request: Request, pk: str) -> Response:
        """Put an order on hold, so that picking cannot start."""
        order = self.get_object()
        return self.answer(services.hold_order(order_id=order.id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(request=ActionRequest, errors=[invalid_transition(Order, "release")])
    def release(self, request: Request, pk: str) -> Response:
        """Release an order from hold, so that picking can start."""
        self.body()
        return self.answer(services.release_order(order_id=self.get_object().id))
