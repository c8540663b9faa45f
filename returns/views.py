"""The REST API of returns."""

from rest_framework.request import Request
from rest_framework.response import Response

from config.api.operations import endpoint
from config.api.permissions import MissingScope
from config.api.views import command
from config.core.money import InexactAmount
from events.viewsets import AggregateViewSet
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

OVERRIDE, RECEIVE = "returns:override", "returns:receive"  # scopes


class Returns(AggregateViewSet):
    """Returns: units that a customer sends back, and their refund."""

    scope = "returns"
    queryset = selectors.with_parts()
    serializer_class = serializers.Return
    get_for_update = staticmethod(selectors.get_for_update)
    filterset_class = ReturnFilters
    complete = staticmethod(selectors.complete)
    lines = ("items", "receipts")
    summaries = selectors.with_refundable()
    # Without a key, a repeated request would look like a second receipt, refund or closing.
    idempotency_key_required = frozenset({"receive", "refund", "close"})

    @endpoint(
        request=serializers.ReturnCreate,
        status=201,
        example="return_requested",
        errors=[UnknownOrderItem, TooManyUnits, ReturnWindowClosed],
        scope="request",
    )
    def create(self, request: Request) -> Response:
        """Request a return of delivered units."""
        return self.answer(services.request_return(**self.body()))

    @command(
        serializers.ReturnApprove,
        example="return_approved",
        errors=[RefundExceedsReturn, InexactAmount],
        scope="approve",
    )
    def approve(self, return_request: Return) -> Return:
        """Approve a return and set its maximum refund."""
        return services.approve_return(return_id=return_request.id, **self.body())

    @command(serializers.ReturnReject, example="return_rejected", scope="approve")
    def reject(self, return_request: Return) -> Return:
        """Reject a requested return."""
        return services.reject_return(return_id=return_request.id, **self.body())

    @command(
        serializers.ReturnCancel,
        example="return_cancelled",
        blocked_status="closed",
        scope="request",
    )
    def cancel(self, return_request: Return) -> Return:
        """Cancel a return that has no receipts.

        One of a parcel that comes back also needs the scope `returns:receive`: its units count as
        lost then, and are sent again.
        """
        if return_request.is_of_a_parcel() and not self.caller.may(RECEIVE):
            raise MissingScope(RECEIVE)
        return services.cancel_return(return_id=return_request.id, **self.body())

    @command(serializers.ReceiptCreate, errors=[NotInReturn, TooManyUnits], scope="receive")
    def receive(self, return_request: Return) -> Return:
        """Record the receipt of some or all units."""
        return services.receive_return(return_id=return_request.id, **self.body())

    @command(
        serializers.ReturnRefund,
        example="return_refunding",
        errors=[RefundExceedsReturn, InexactAmount],
        scope="refund",
    )
    def refund(self, return_request: Return) -> Return:
        """Request a refund.

        The return becomes `refunded` when all its refunds are paid out.
        """
        may_exceed = self.caller.may(OVERRIDE)
        return services.refund_return(
            return_id=return_request.id, may_exceed=may_exceed, **self.body()
        )

    @command(
        serializers.ReturnClose,
        example="return_closed",
        errors=[RefundOutstanding],
        scope="approve",
    )
    def close(self, return_request: Return) -> Return:
        """Close a return.

        An approved return expects no more units; a received one refunds no more.
        """
        return services.close_return(return_id=return_request.id, **self.body())
