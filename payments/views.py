"""The payments' REST API, and what gateways send."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpResponse
from rest_framework.decorators import (
    action,
    api_view,
    authentication_classes,
    permission_classes,
    throttle_classes,
)
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import problems
from config.api.operations import operation_of, takes
from config.api.views import BodyTooLarge, ContextViewSet
from payments import selectors, serializers, services
from payments.filters import PaymentFilters
from payments.gateways import stripe
from payments.models import Payment, Refund


class Payments(ListModelMixin, RetrieveModelMixin, ContextViewSet):
    """Money for an order, from asking for it to giving it back."""

    scope = "payments"
    queryset = selectors.with_parts()
    serializer_class = serializers.PaymentOut
    filterset_class = PaymentFilters
    idempotency_key_required = frozenset({"create", "refunds"})
    calls_outside = frozenset({"create", "retry", "refunds"})

    @takes(serializers.NewPayment, 201, shows=serializers.PaymentOut.waiting)
    def create(self, request: Request) -> Response:
        """Ask for what is still due; the order's open payment is answered if there is one."""
        return self._asked(lambda: services.start_payment(**self.body()))

    @action(detail=True, methods=["post"])
    @takes(serializers.Retry)
    def retry(self, request: Request, pk: str) -> Response:
        """Try once more to take what the gateway has declined."""
        payment = self.get_object()
        return self._asked(lambda: services.retry_payment(payment_id=payment.id, **self.body()))

    @action(detail=True, methods=["post"])
    @takes(serializers.Capture, shows=serializers.PaymentOut.by_hand)
    def capture(self, request: Request, pk: str) -> Response:
        """Record money that came by hand: `manual` payments only."""
        payment = self.get_object()
        return self.answer(services.capture_payment(payment_id=payment.id, **self.body()))

    @action(detail=True, methods=["post"])
    @takes(serializers.NewRefund, 201, answers=serializers.RefundOut)
    def refunds(self, request: Request, pk: str) -> Response:
        """Give money back, never more than is left: `max_refundable` says how much that is."""
        payment = self.get_object()
        return self._asked(lambda: services.request_refund(payment_id=payment.id, **self.body()))

    def _asked(self, intent: Callable[[], Payment | Refund]) -> Response:
        """Record what is wanted, once; then ask the gateway, and answer with what it said."""

        def record() -> Response:
            row = intent()
            names = {"id": row.pk, "payment_id": getattr(row, "payment_id", row.pk)}
            return Response(names, status=operation_of(self).statuses[0])

        response = self.once(record)
        services.call_gateway(payment_id=response.data["payment_id"])
        payment = selectors.get(response.data["payment_id"])
        if payment.id == response.data["id"]:
            response.data = serializers.PaymentOut(payment).data
        else:
            refund = next(each for each in payment.givebacks if each.id == response.data["id"])
            response.data = serializers.RefundOut(refund).data
        return response


@api_view(["POST"])
@authentication_classes([])
@permission_classes([])
@throttle_classes([])
def stripe_webhook(request: Request) -> HttpResponse:
    """Take a message of Stripe's, whose signature is what lets it in."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > settings.API_MAX_BODY:
        raise BodyTooLarge
    body = request._request.body
    try:
        text = stripe.verify(body, request.headers.get("Stripe-Signature", ""))
    except stripe.BadSignature as error:
        return problems.problem(400, error.code, str(error))
    services.take_webhook(gateway=Payment.Method.STRIPE, body=text)
    return HttpResponse(status=204)
