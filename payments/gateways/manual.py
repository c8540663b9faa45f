"""Cash and bank transfers: an operator records the capture and the refunds."""

from payments.gateways import PaymentRequest, PaymentResult, RefundRequest, RefundResult


class Manual:
    """Never captures or refunds anything itself."""

    def attempt(self, request: PaymentRequest) -> PaymentResult:
        return PaymentResult(state="waiting")

    def retrieve(self, request: PaymentRequest) -> PaymentResult:
        return PaymentResult(state="waiting")

    def capture(self, request: PaymentRequest) -> PaymentResult:
        return PaymentResult(state="waiting")

    def cancel(self, request: PaymentRequest) -> PaymentResult:
        return PaymentResult(state="cancelled")

    def refund(self, request: RefundRequest) -> RefundResult:
        return RefundResult(state="pending")
