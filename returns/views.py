"""The returns' REST API."""

from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.operations import endpoint
from config.api.views import ContextViewSet
from returns import selectors, serializers, services
from returns.filters import ReturnFilters

OVERRIDE = "returns:override"  # a scope


class Returns(ListModelMixin, RetrieveModelMixin, ContextViewSet):
    """Units that a customer sends back, and the money for them."""

    scope = "returns"
    queryset = selectors.with_parts()
    serializer_class = serializers.Return
    filterset_class = ReturnFilters
    # Two receipts of one unit each look like one that is sent twice, and so do two closings.
    idempotency_key_required = frozenset({"receive", "refund", "close"})

    @endpoint(request=serializers.ReturnCreate, status=201, example="return_requested")
    def create(self, request: Request) -> Response:
        """Ask to send delivered units back, while the time for it lasts."""
        return self.answer(services.request_return(**self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(request=serializers.ReturnApprove, example="return_approved")
    def approve(self, request: Request, pk: str) -> Response:
        """Let the customer send it, and say how much may go back at most."""
        return self.answer(services.approve_return(return_id=self.get_object().id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(request=serializers.ReturnReject, example="return_rejected")
    def reject(self, request: Request, pk: str) -> Response:
        """Do not let the customer send it."""
        return self.answer(services.reject_return(return_id=self.get_object().id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(request=serializers.ReturnCancel, example="return_cancelled")
    def cancel(self, request: Request, pk: str) -> Response:
        """Nothing will be sent after all; once something has come, close it instead."""
        return self.answer(services.cancel_return(return_id=self.get_object().id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(request=serializers.ReceiptCreate)
    def receive(self, request: Request, pk: str) -> Response:
        """Record units that have come, in one receipt or in several."""
        return self.answer(services.receive_return(return_id=self.get_object().id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(request=serializers.ReturnRefund, example="return_refunding")
    def refund(self, request: Request, pk: str) -> Response:
        """Have the money given back; it is refunded once the payments say that it has gone."""
        return_request = self.get_object()
        may_exceed = self.caller.may(OVERRIDE)
        return self.answer(
            services.refund_return(
                return_id=return_request.id, may_exceed=may_exceed, **self.body()
            )
        )

    @action(detail=True, methods=["post"])
    @endpoint(request=serializers.ReturnClose, example="return_closed")
    def close(self, request: Request, pk: str) -> Response:
        """Wait for no more of an approved return; of a received one, refund no more."""
        return self.answer(services.close_return(return_id=self.get_object().id, **self.body()))
