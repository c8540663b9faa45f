"""The REST API of returns."""

from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.operations import endpoint
from config.api.views import ContextViewSet
from config.core.money import InexactAmount
from events.serializers import invalid_transition
from orders.exceptions import TooManyUnits, UnknownOrderItem
from returns import selectors, serializers, services
from returns.exceptions import (
    NotInReturn,
    RefundExceedsReturn,
    RefundOutstanding,
    ReturnWindowClosed,
)
from returns.filters import ReturnFilters
from returns.models import Return

OVERRIDE = "returns:override"  # a scope


class Returns(ListModelMixin, RetrieveModelMixin, ContextViewSet):
    """Returns: units that a customer sends back, and their refund."""

    scope = "returns"
    queryset = selectors.with_parts()
    serializer_class = serializers.Return
    filterset_class = ReturnFilters
    # Without a key, a repeated request would look like a second receipt, refund or closing.
    idempotency_key_required = frozenset({"receive", "refund", "close"})

    @endpoint(
        request=serializers.ReturnCreate,
        status=201,
        example="return_requested",
        errors=[UnknownOrderItem, TooManyUnits, ReturnWindowClosed],
    )
    def create(self, request: Request) -> Response:
        """Request a return of delivered units."""
        return self.answer(services.request_return(**self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.ReturnApprove,
        example="return_approved",
        errors=[invalid_transition(Return, "approve"), RefundExceedsReturn, InexactAmount],
    )
    def approve(self, request: Request, pk: str) -> Response:
        """Approve a return and set its maximum refund."""
        return self.answer(services.approve_return(return_id=self.get_object().id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.ReturnReject,
        example="return_rejected",
        errors=[invalid_transition(Return, "reject")],
    )
    def reject(self, request: Request, pk: str) -> Response:
        """Reject a requested return."""
        return self.answer(services.reject_return(return_id=self.get_object().id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.ReturnCancel,
        example="return_cancelled",
        errors=[invalid_transition(Return, "cancel")],
    )
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel a return that has no receipts."""
        return self.answer(services.cancel_return(return_id=self.get_object().id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.ReceiptCreate,
        errors=[invalid_transition(Return, "receive"), NotInReturn, TooManyUnits],
    )
    def receive(self, request: Request, pk: str) -> Response:
        """Record the receipt of some or all units."""
        return self.answer(services.receive_return(return_id=self.get_object().id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.ReturnRefund,
        example="return_refunding",
        errors=[invalid_transition(Return, "refund"), RefundExceedsReturn, InexactAmount],
    )
    def refund(self, request: Request, pk: str) -> Response:
        """Request a refund.

        The return becomes `refunded` when the payments have succeeded.
        """
        return_request = self.get_object()
        may_exceed = self.caller.may(OVERRIDE)
        return self.answer(
            services.refund_return(
                return_id=return_request.id, may_exceed=may_exceed, **self.body()
            )
        )

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.ReturnClose,
        example="return_closed",
        errors=[invalid_transition(Return, "close"), RefundOutstanding],
    )
    def close(self, request: Request, pk: str) -> Response:
        """Close a return.

        An approved return expects no more units; a received one refunds no more.
        """
        return self.answer(services.close_return(return_id=self.get_object().id, **self.body()))
