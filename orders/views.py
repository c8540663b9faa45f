"""The REST API of orders."""

from typing import Any, cast

from django.db import transaction
from django.http import HttpResponse
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.operations import endpoint
from config.api.views import command
from config.core.exceptions import AddressRequired
from config.core.money import AmountTooLarge, InexactAmount, PriceTooExact
from config.core.unit_of_work import savepoint
from events.reactions import ReactionsPending
from events.views import Page, Timeline, timeline
from events.viewsets import AggregateViewSet
from orders import selectors, serializers
from orders.exceptions import (
    AllocatedTwice,
    AlreadyShipped,
    AmbiguousVariant,
    CannotEdit,
    CannotExchange,
    CannotReplace,
    CountryChanged,
    DiscountTooLarge,
    FulfillmentHasStarted,
    LabelIsBought,
    MismatchUnresolved,
    NoItems,
    OrderIsCancelled,
    OrderTooLarge,
    OtherReservation,
    PartialReservation,
    PaymentTermsUnavailable,
    PickingHasBegun,
    TooManyUnits,
    TotalDiffers,
    UnitsArePicked,
    UnknownOrderItem,
)
from orders.filters import OrderFilters
from orders.models import Order
from orders.services import edits, goods, lifecycle, reservations


class Orders(AggregateViewSet):
    """Open, place, hold and cancel orders."""

    scope = "orders"
    queryset = selectors.with_payment_totals()
    serializer_class = serializers.Order
    get_for_update = staticmethod(selectors.get_for_update)
    filterset_class = OrderFilters
    complete = staticmethod(selectors.with_totals)
    lines = ("items",)
    summaries = selectors.without_lines()

    @endpoint(
        request=serializers.OrderCreate,
        status=201,
        example="order_pending",
        errors=[
            DiscountTooLarge,
            InexactAmount,
            PriceTooExact,
            AmountTooLarge,
            TotalDiffers,
            CannotReplace,
            CannotExchange,
        ],
        scope="create",
    )
    def create(self, request: Request) -> Response:
        """Open an order without a cart. No stock is reserved until it is placed."""
        organization_id = self.caller.organization_id
        return self.answer(lifecycle.open_order(organization_id=organization_id, **self.body()))

    @endpoint(
        request=serializers.OrderCorrect,
        operation_id="correct_order",
        errors=[LabelIsBought, CountryChanged, AlreadyShipped],
        verb="correct",
        scope="correct",
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Correct the addresses or the e-mail address of an order before anything is shipped.

        An invoice that is issued keeps its buyer: `POST /invoices/{id}/reissue` corrects that.
        """
        order = self.get_object()
        return self.answer(lifecycle.correct_order(order_id=order.id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.OrderEdit,
        response=serializers.EditedOrder,
        operation_id="edit_order",
        errors=[
            OrderIsCancelled,
            PickingHasBegun,
            CannotEdit,
            TotalDiffers,
            UnknownOrderItem,
            CannotReplace,
            AlreadyShipped,
            NoItems,
            OrderTooLarge,
            DiscountTooLarge,
            InexactAmount,
            PriceTooExact,
            AmountTooLarge,
        ],
        scope="edit",
    )
    def edits(self, request: Request, pk: str) -> Response:
        """Preview other lines, prices or shipping, or order them with `commit`.

        A new order with the changes replaces this one, which is cancelled. What was paid counts for
        it, and what is too much is refunded.
        """
        order_id, body = self.get_object().id, self.body()
        is_committed = body.pop("commit")
        if is_committed:
            return Response(self._edited(True, order_id, body))
        with savepoint():
            preview = self._edited(False, order_id, body)
            transaction.set_rollback(True)
        return Response(preview)

    def _edited(self, is_committed: bool, order_id: str, changes: dict[str, Any]) -> dict[str, Any]:
        edit = edits.edit_order(order_id=order_id, **changes)
        selectors.with_totals(edit.order)
        values = edit._asdict() | {"committed": is_committed, "currency": edit.order.currency}
        serializer = serializers.EditedOrder(values, context=self.get_serializer_context())
        return cast(dict[str, Any], serializer.data)

    @action(detail=True)
    @endpoint(request=Page, response=Timeline, operation_id="get_order_timeline")
    def timeline(self, request: Request, pk: str) -> HttpResponse:
        """List the events about an order, including internal ones, oldest first.

        They are those of the contexts that the token may read: with `orders:read` alone, the
        events of orders.
        """
        return timeline(request, self.query(), self.get_object().stream)

    @command(
        serializers.OrderPlace,
        example="order_placed",
        errors=[
            AddressRequired,
            OrderTooLarge,
            PaymentTermsUnavailable,
            CannotReplace,
            AlreadyShipped,
        ],
        scope="create",
    )
    def place(self, order: Order) -> Order:
        """Place an order, and have Inventory reserve its stock."""
        return lifecycle.place_order(order_id=order.id, **self.body())

    @command(
        serializers.OrderReservation,
        operation_id="record_reservation",
        blocked_status="pending",
        allowed_actions=("place", "cancel", "hold"),
        errors=[
            OrderIsCancelled,
            OtherReservation,
            FulfillmentHasStarted,
            UnknownOrderItem,
            AmbiguousVariant,
            AllocatedTwice,
            TooManyUnits,
            PartialReservation,
            OrderTooLarge,
            PaymentTermsUnavailable,
        ],
        scope="allocate",
    )
    def reservation(self, order: Order) -> Order:
        """Record Inventory's response: a reservation with its allocations, or a rejection."""
        return reservations.record_reservation(order_id=order.id, **self.body())

    @command(
        serializers.OrderCancel,
        example="order_cancelled",
        errors=[AlreadyShipped],
        blocked_status="shipped",
        scope="cancel",
    )
    def cancel(self, order: Order) -> Order:
        """Cancel an order before any of its units has left, and refund its payments."""
        return lifecycle.cancel_order(order_id=order.id, **self.body())

    @command(
        serializers.OrderWriteOff,
        example="order_written_off",
        operation_id="write_off_order_units",
        errors=[ReactionsPending, UnitsArePicked, UnknownOrderItem, TooManyUnits],
        scope="write_off",
    )
    def write_off(self, order: Order) -> Order:
        """Write off units that will never ship, and refund what was paid for them."""
        return goods.write_off_units(order_id=order.id, **self.body())

    @command(example="order_units_released", operation_id="release_order_units", scope="write_off")
    def release_units(self, order: Order) -> Order:
        """Record that you released the stock of all written-off units in Inventory."""
        return goods.release_written_off_units(order_id=order.id, **self.body())

    @command(serializers.OrderHold, example="order_on_hold", scope="hold")
    def hold(self, order: Order) -> Order:
        """Put an order on hold: nothing is picked, packed, labeled or dispatched meanwhile."""
        return lifecycle.hold_order(order_id=order.id, **self.body())

    @command(errors=[MismatchUnresolved], scope="hold")
    def release(self, order: Order) -> Order:
        """Release an order from hold, so that its units can be sent.

        A hold for a mismatched payment ends by itself when the payment is applied or refunded, and
        one for a lost payment when another one secures the order.
        """
        return lifecycle.release_order(order_id=order.id, **self.body())
