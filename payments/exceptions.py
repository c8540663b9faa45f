"""The errors of payments, besides transitions that the status does not allow."""

from config.core.exceptions import Conflict, DomainError, Missing


class OrderNotPayable(Conflict):
    """Nothing is due for the order, because it is paid or not `placed`, or no attempt is left."""

    code = "not_payable"
    example = "Nothing is due for order_01JCZ5B2QH8M3T6R9W1K4X7V0B: it is cancelled."


class PaymentTooLarge(DomainError):
    """The amount exceeds what is due and no other payment is about to capture: `max_payable`."""

    code = "payment_too_large"
    example = "order_01JCZ5B2QH8M3T6R9W1K4X7V0B has 70.00 USD left to pay, not 100.00."
    example_details = {"max_payable": "70.00"}


class CaptureTooLarge(DomainError):
    """The amount to capture exceeds the authorized one: `max_capturable`."""

    code = "capture_too_large"
    example = "pay_01JCZ5D0KQ3N6R9V2X5Z8B1E4G has 50.00 USD authorized, not 60.00."
    example_details = {"max_capturable": "50.00"}


class RefusedByGateway(DomainError):
    """The gateway cannot take this payment. It is no decline and no attempt of the customer.

    The currency, the amount or the organization's account is not accepted: `gateway_code` is the
    gateway's code. Nothing was charged.
    """

    code = "refused_by_gateway"
    example = "Stripe takes KWD in steps of 0.010, not 12.345."
    example_details = {"gateway_code": "unsupported_amount"}


class ReferenceUsed(Conflict):
    """This capture of the provider is recorded already, for another order or amount."""

    code = "reference_used"
    example = "GC-4711 of gift_card is recorded already, as pay_01JCZ5D0KQ3N6R9V2X5Z8B1E4G."


class PaymentInProgress(Conflict):
    """A payment of the order may be capturing money. Try again when its outcome is known."""

    code = "payment_open"
    example = (
        "A payment of order_01JCZ5B2QH8M3T6R9W1K4X7V0B may be capturing money: wait for its "
        "outcome."
    )


class PaymentMethodUnavailable(DomainError):
    """The payment method is not enabled, or the organization has no account for it."""

    code = "method_unavailable"
    example = (
        "org_demo takes no card payments: it needs STRIPE_API_KEY and a connected account at "
        "Stripe."
    )


class UnknownSandboxToken(DomainError):
    """The sandbox gateway has no such token; `detail` lists those that it has."""

    code = "unknown_token"
    example = (
        "The sandbox has no tok_x; it has tok_ok, tok_declined, tok_timeout, tok_slow, "
        "tok_wrong_amount."
    )


class OrderNotConfirmed(Conflict):
    """The order is not confirmed yet. Refund the payment after that, or cancel the order."""

    code = "order_not_confirmed"
    example = (
        "order_01JCZ5B2QH8M3T6R9W1K4X7V0B is not confirmed yet. Refund it after that, or cancel "
        "the order, which refunds it."
    )


class RefundTooLarge(DomainError):
    """The amount is larger than what is left to refund: `max_refundable`."""

    code = "refund_too_large"
    example = "pay_01JCZ5D0KQ3N6R9V2X5Z8B1E4G has 50.00 USD left to refund, not 50.01."
    example_details = {"max_refundable": "50.00"}


class RefundExceedsPart(DomainError):
    """More is refunded than was paid for the units, the line or the shipping, and not refunded yet.

    `max_refundable` is what can be refunded for it.
    """

    code = "refund_exceeds_part"
    example = (
        "At most 10.70 USD can be refunded for item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF with quantity 1, "
        "not 12.00."
    )
    example_details = {"max_refundable": "10.70"}


class RefundSumDiffers(DomainError):
    """`amount` is not the sum of the lines, the shipping and the goodwill; `detail` has it."""

    code = "refund_sum_differs"
    example = (
        "The parts of the refund sum to 16.65, not to 20.00: leave `amount` out, or correct them."
    )


class PaymentDoesNotApply(Conflict):
    """The payment does not pay the order, so it is for none of its lines: refund an `amount`."""

    code = "payment_does_not_apply"
    example = (
        "pay_01JCZ5D0KQ3N6R9V2X5Z8B1E4G does not pay order_01JCZ5B2QH8M3T6R9W1K4X7V0B: refund an "
        "amount of it."
    )


class UnknownRefund(Missing):
    """The payment has no such refund."""

    example = "pay_01JCZ5D0KQ3N6R9V2X5Z8B1E4G has no refund ref_01JCZ6A1B2C3D4E5F6G7H8J9K0."


class RefundNotManual(Conflict):
    """The gateway pays this refund out and reports the result."""

    code = "not_by_hand"
    example = "The gateway pays ref_01JCZ6A1B2C3D4E5F6G7H8J9K0 out and reports the result."


class RefundReturned(Conflict):
    """The gateway paid this refund out and it came back, so it must be paid out by hand."""

    code = "paid_out_once"
    example = "ref_01JCZ6A1B2C3D4E5F6G7H8J9K0 came back from the gateway: pay it out by hand."
