"""The values of a payment's columns that have a fixed set of values."""

from django.db import models


class Status(models.TextChoices):
    """The status of a payment.

    - `opening`: the gateway has not accepted it yet.
    - `pending`: it waits for the customer, or for the gateway to capture the money.
    - `authorized`: the gateway reserves the money until it is captured or voided.
    - `succeeded`: the money is captured.
    - `failed`: the last attempt was declined, or the payment was abandoned, voided or refused.
    - `refunded`: all captured money is refunded.
    - `closed`: of a payment on account: nothing is due any more.
    """

    OPENING = "opening"
    PENDING = "pending"
    AUTHORIZED = "authorized"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUNDED = "refunded"
    CLOSED = "closed"


CAPTURED = (Status.SUCCEEDED, Status.REFUNDED)


class Method(models.TextChoices):
    """How the customer pays.

    - `stripe`: by card at Stripe.
    - `manual`: in cash or by bank transfer; an operator records what was received.
    - `external`: another system has captured the money already: a gift card, store credit.
    - `on_account`: the order is confirmed before it is paid. The payment stands for what is due;
      the money comes by other payments.
    - `sandbox`: no money moves; for development and tests.
    """

    STRIPE = "stripe"
    MANUAL = "manual"
    EXTERNAL = "external"
    ON_ACCOUNT = "on_account"
    SANDBOX = "sandbox"
