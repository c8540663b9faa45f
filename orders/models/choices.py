"""The values of an order's columns that have a fixed set of values."""

from django.db import models


class Status(models.TextChoices):
    """The status of an order.

    - `pending`: its lines and prices are fixed; nothing is reserved.
    - `placed`: it waits for its payment.
    - `paid`: it waits for Inventory's reservation, if the organization confirms only what is
      reserved.
    - `confirmed`: its units can be sent.
    - `processing`: a warehouse has started to pick.
    - `shipped`: all units that are not written off have left.
    - `delivered`: all of them have arrived.
    - `cancelled`: nothing is sent, and captured money is refunded.
    """

    PENDING = "pending"
    PLACED = "placed"
    PAID = "paid"
    CONFIRMED = "confirmed"
    PROCESSING = "processing"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class CancellationReason(models.TextChoices):
    """Why an order is cancelled, or units are written off.

    Only the service itself gives the reasons `payment_failed`, after the third decline, and
    `reservation_expired`, when the order was not paid in time.
    """

    CUSTOMER_REQUEST = "customer_request"
    OUT_OF_STOCK = "out_of_stock"
    PAYMENT_FAILED = "payment_failed"
    RESERVATION_EXPIRED = "reservation_expired"
    FRAUD = "fraud"
    OPERATOR = "operator"
    OTHER = "other"


class HoldReason(models.TextChoices):
    """Why an order is on hold.

    The service itself gives the reasons `payment`, if another amount was captured than was
    charged, and `reservation`, if Inventory has not answered in time.
    """

    FRAUD = "fraud"
    ADDRESS = "address"
    PAYMENT = "payment"
    RESERVATION = "reservation"
    MANUAL = "manual"


class PaymentMethod(models.TextChoices):
    STRIPE = "stripe"
    MANUAL = "manual"
    SANDBOX = "sandbox"
