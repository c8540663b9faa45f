"""The payments' REST API, and what gateways send."""

from collections.abc import Callable

from django.http import HttpResponse
from rest_framework.decorators import (
    action,
    throttle_classes,
)
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.operations import endpoint, operation_of, public
from config.api.views import ContextViewSet
from config.core.exceptions import BadSignature
from config.core.money import InexactAmount
from events.serializers import invalid_transition
from payments import selectors, serializers, services
from payments.exceptions import RefundTooLarge
from payments.filters import PaymentFilters
from payments.gateways import stripe
from payments.models import Payment, Refund
from payments.services.refunds import OrderNotConfirmed
from payments.services.taking import MethodUnavailable, NotPayable, PaymentOpen, UnknownToken


class Payments(ListModelMixin, RetrieveModelMixin, ContextViewSet):
    """Money for an order, from asking for it to giving it back."""

    scope = "payments"
    queryset = selectors.with_parts()
    serializer_class = serializers.Payment
    filterset_class = PaymentFilters
    idempotency_key_required = frozenset({"create", "retry", "refunds"})
    calls_outside = frozenset({"create", "retry", "refunds"})

    @endpoint(
        request=serializers.PaymentCreate,
        status=201,
        example="payment_pending",
        operation_id="start_payment",
        errors=[NotPayable, PaymentOpen, MethodUnavailable, UnknownToken],
    )
    def create(self, request: Request) -> Response:
        """Ask for what is still due; if that is being asked already, the payment is answered."""
        return self._asked(lambda: services.start_payment(**self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.PaymentRetry,
        errors=[
            invalid_transition(Payment, "retry"),
            NotPayable,
            PaymentOpen,
            MethodUnavailable,
            UnknownToken,
        ],
    )
    def retry(self, request: Request, pk: str) -> Response:
        """Try once more to take what the gateway has declined."""
        payment = self.get_object()
        return self._asked(lambda: services.retry_payment(payment_id=payment.id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.PaymentCapture,
        example="payment_manual",
        errors=[invalid_transition(Payment, "capture")],
    )
    def capture(self, request: Request, pk: str) -> Response:
        """Record money that came by hand: `manual` payments only."""
        payment = self.get_object()
        return self.answer(services.capture_payment(payment_id=payment.id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.RefundCreate,
        response=serializers.Refund,
        status=201,
        operation_id="refund_payment",
        errors=[
            invalid_transition(Payment, "refund"),
            OrderNotConfirmed,
            RefundTooLarge,
            InexactAmount,
        ],
    )
    def refunds(self, request: Request, pk: str) -> Response:
        """Give money back, never more than is left: `max_refundable` says how much that is."""
        payment = self.get_object()
        response = self._once(lambda: services.request_refund(payment_id=payment.id, **self.body()))
        services.call_gateway(payment_id=payment.id)
        refund = selectors.get(payment.id).giveback(response.data["id"])
        response.data = serializers.Refund(refund).data
        return response

    def _asked(self, intent: Callable[[], Payment]) -> Response:
        """Record what is wanted, once; then ask the gateway, and answer with what it said."""
        response = self._once(intent)
        services.call_gateway(payment_id=response.data["id"])
        payment = selectors.get(response.data["id"])
        response.data = self.get_serializer(payment).data
        return response

    def _once(self, intent: Callable[[], Payment | Refund]) -> Response:
        """Of what is asked once only the id is remembered: the answer is as things are then."""
        (status,) = operation_of(self).statuses
        return self.once(lambda: Response({"id": intent().pk}, status=status))


@public(
    "POST",
    status=204,
    operation_id="receive_stripe_event",
    tag="webhooks",
    errors=[BadSignature],
)
@throttle_classes([])
def stripe_webhook(request: Request) -> HttpResponse:
    """Receive an event from Stripe.

    Needs no token: the `Stripe-Signature` header proves the sender.
    """
    signature = request.headers.get("Stripe-Signature", "")
    if notice := stripe.notice(stripe.verify(request._request.body, signature)):
        services.receive_webhook(gateway=Payment.Method.STRIPE, notice=notice)
    return HttpResponse(status=204)
