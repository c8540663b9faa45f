"""The REST API of payments, and the webhooks of gateways."""

from collections.abc import Callable

from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpResponse
from django.utils import timezone
from rest_framework.decorators import action, throttle_classes
from rest_framework.request import Request
from rest_framework.response import Response

import orders.selectors
from config.api.errors import ErrorExample
from config.api.operations import endpoint, public
from config.api.views import ContextViewSet, Ids, command
from config.core.exceptions import BadMessage, BadSignature
from config.core.money import InexactAmount
from events.viewsets import AggregateViewSet
from orders.exceptions import TooManyUnits, UnknownOrderItem
from payments import selectors, serializers
from payments.exceptions import (
    CaptureTooLarge,
    OrderNotConfirmed,
    OrderNotPayable,
    PaymentDoesNotApply,
    PaymentInProgress,
    PaymentMethodUnavailable,
    PaymentTooLarge,
    ReferenceUsed,
    RefundExceedsPart,
    RefundNotManual,
    RefundReturned,
    RefundSumDiffers,
    RefundTooLarge,
    RefusedByGateway,
    UnknownRefund,
    UnknownSandboxToken,
)
from payments.filters import PaymentFilters
from payments.gateways.stripe import webhooks as stripe
from payments.models import Payment, Refund
from payments.services import capture, gateway, refunds, webhooks


class Payments(AggregateViewSet):
    """Charge, capture and refund the money of an order."""

    scope = "payments"
    queryset = selectors.with_parts()
    serializer_class = serializers.Payment
    get_for_update = staticmethod(selectors.get_for_update)
    filterset_class = PaymentFilters
    idempotency_key_required = frozenset({"create", "retry", "refunds"})
    calls_outside = frozenset({"create", "retry", "capture", "refunds"})

    @endpoint(
        request=serializers.PaymentCreate,
        status=201,
        example="payment_pending",
        operation_id="start_payment",
        errors=[
            OrderNotPayable,
            PaymentTooLarge,
            PaymentInProgress,
            PaymentMethodUnavailable,
            RefusedByGateway,
            UnknownSandboxToken,
            InexactAmount,
        ],
        scope="start",
    )
    def create(self, request: Request) -> Response:
        """Charge the amount that is due, or a part of it, and return the gateway's result.

        If a payment of all that is due is open already with this method and token, it is returned
        as it is.
        """
        return self._charge(lambda: capture.start_payment(**self.body()))

    @action(detail=False, methods=["post"])
    @endpoint(
        request=serializers.ExternalPaymentCreate,
        status=201,
        example="payment_external",
        operation_id="record_external_payment",
        errors=[OrderNotPayable, PaymentTooLarge, ReferenceUsed, InexactAmount],
        scope="capture",
    )
    def external(self, request: Request) -> Response:
        """Record money that another system has captured for an order.

        The same capture is recorded once: a second request returns its payment.
        """
        payment = capture.record_external_payment(**self.body())
        return Response(self.get_serializer(payment).data, status=201)

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.PaymentRetry,
        example="payment_retried",
        errors=[
            ErrorExample.of(OrderNotPayable)._replace(
                detail=f"Nothing is due for {serializers.ORDER_ID}."
            ),
            PaymentTooLarge,
            PaymentInProgress,
            PaymentMethodUnavailable,
            RefusedByGateway,
            UnknownSandboxToken,
        ],
        blocked_status="pending",
        scope="start",
    )
    def retry(self, request: Request, pk: str) -> Response:
        """Make another attempt after a decline, and return the gateway's result."""
        return self._charge(
            lambda: capture.retry_payment(payment_id=self.get_object().id, **self.body())
        )

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.PaymentCapture,
        example="payment_manual",
        errors=[CaptureTooLarge, RefusedByGateway, InexactAmount],
        verb="capture",
        scope="capture",
    )
    def capture(self, request: Request, pk: str) -> Response:
        """Record that the money of a `manual` payment was received, or capture an authorized one.

        Of an authorized payment, the gateway's result is returned. It can be captured once.
        """
        return self._charge(
            lambda: capture.capture_payment(payment_id=self.get_object().id, **self.body())
        )

    @command(operation_id="void_payment", example="payment_voided", scope="capture")
    def void(self, payment: Payment) -> Payment:
        """Let the money of an authorized payment go: it will not be captured."""
        return capture.void_payment(payment_id=payment.id, **self.body())

    @command(
        operation_id="apply_payment",
        example="payment_applied",
        errors=[
            ErrorExample.of(OrderNotPayable)._replace(
                detail=f"Nothing is due for {serializers.ORDER_ID}: "
                f"refund {serializers.PAYMENT_ID}."
            )
        ],
        scope="capture",
    )
    def apply(self, payment: Payment) -> Payment:
        """Count a mismatched capture towards the order's total, and release the order.

        If the order is paid by that, it is confirmed. Otherwise, the rest is due.
        """
        return capture.apply_payment(payment_id=payment.id, **self.body())

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.RefundCreate,
        response=serializers.Refund,
        status=201,
        operation_id="refund_payment",
        errors=[
            OrderNotConfirmed,
            PaymentDoesNotApply,
            UnknownOrderItem,
            TooManyUnits,
            RefundExceedsPart,
            RefundSumDiffers,
            RefundTooLarge,
            RefusedByGateway,
            InexactAmount,
        ],
        verb="refund",
        scope="refund",
    )
    def refunds(self, request: Request, pk: str) -> Response:
        """Refund lines, the shipping or an amount: at most `max_refundable` of the payment."""
        response, payment = self._call(
            lambda: refunds.request_refund(payment_id=self.get_object().id, **self.body())
        )
        refund = selectors.find_refund(payment, response.data["id"])
        response.data = serializers.Refund(refund).data
        return response

    @command(
        serializers.ManualRefund,
        example="payment_refund_recorded",
        operation_id="record_payment_refund",
        blocked_status="refunded",
        errors=[UnknownRefund, RefundNotManual],
        scope="refund",
    )
    def record_refund(self, payment: Payment) -> Payment:
        """Record that you have paid a refund out: in cash, by transfer, or as store credit."""
        return refunds.record_refund(payment_id=payment.id, **self.body())

    @command(
        serializers.ManualRefund,
        example="payment_refund_withdrawn",
        operation_id="withdraw_payment_refund",
        blocked_status="refunded",
        errors=[UnknownRefund, RefundNotManual, RefundReturned],
        scope="refund",
    )
    def withdraw_refund(self, payment: Payment) -> Payment:
        """Withdraw a refund that you have not paid out. Its amount can be refunded again."""
        return refunds.withdraw_refund(payment_id=payment.id, **self.body())

    def _charge(self, intent: Callable[[], Payment]) -> Response:
        """Record the intent once, call the gateway, and return the payment with the result."""
        response, payment = self._call(intent)
        attempt = payment.latest_attempt
        if attempt.error_code and not (attempt.declined_at or payment.is_captured):
            raise RefusedByGateway(attempt.error_message, gateway_code=attempt.error_code)
        response.data = self.get_serializer(payment).data
        return response

    def _call(self, intent: Callable[[], Payment | Refund]) -> tuple[Response, Payment]:
        """Record the intent once, then make the calls that are due about the payment."""

        def ids() -> Ids:
            row = intent()
            payment_id = row.payment_id if isinstance(row, Refund) else row.id
            return {"id": row.pk, "payment_id": payment_id}

        def lease(ids: Ids) -> gateway.DueCalls:
            return gateway.lease_due_calls(payment_id=ids["payment_id"], now=timezone.now())

        response, due = self.once_leased(ids, lease)
        _, payment = gateway.make_calls(due)
        return response, payment


class OrderRefunds(ContextViewSet):
    """Refund an order, whichever of its payments has the money."""

    scope = "payments"
    queryset = orders.selectors.with_lines()
    idempotency_key_required = frozenset({"refunds"})

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.RefundCreate,
        response=serializers.OrderRefunds,
        status=201,
        operation_id="refund_order",
        tag="payments",
        errors=[
            OrderNotConfirmed,
            UnknownOrderItem,
            TooManyUnits,
            RefundExceedsPart,
            RefundSumDiffers,
            RefundTooLarge,
            RefusedByGateway,
            InexactAmount,
        ],
        scope="refund",
    )
    def refunds(self, request: Request, pk: str) -> Response:
        """Refund lines, the shipping or an amount of an order, from its latest payment first.

        The refunds are pending: the gateways are called after the response.
        """
        try:
            visible = self.visible_of(orders.selectors.with_lines().model)
            order = orders.selectors.get_for_update(pk, visible)
        except ObjectDoesNotExist:
            raise Http404 from None
        found = refunds.request_order_refund(order_id=order.id, **self.body())
        made = {"order_id": order.id, "refunds": found}
        return Response(serializers.OrderRefunds(made).data, status=201)


@public(
    "POST",
    status=204,
    operation_id="receive_stripe_event",
    tag="webhooks",
    body_example={
        "id": "evt_3QOxKd2eZvKYlo2C0",
        "type": "payment_intent.succeeded",
        "created": 1763910360,
        "data": {
            "object": {
                "id": "pi_3QOxKd2eZvKYlo2C0nB1x7aP",
                "object": "payment_intent",
                "status": "succeeded",
                "amount_received": 12550,
                "currency": "usd",
                "metadata": {"payment_id": serializers.PAYMENT_ID},
            }
        },
    },
    errors=[BadSignature, BadMessage],
)
@throttle_classes([])
def stripe_webhook(request: Request) -> HttpResponse:
    """Receive an event from Stripe.

    Needs no token: the `Stripe-Signature` header proves the sender. 204 means that the event is
    applied, stored, or of no interest. Stripe repeats an event after any other status.
    """
    signature = request.headers.get("Stripe-Signature", "")
    if event := stripe.parse(stripe.verify(request._request.body, signature)):
        webhooks.receive_webhook(gateway=Payment.Method.STRIPE, event=event)
    return HttpResponse(status=204)
