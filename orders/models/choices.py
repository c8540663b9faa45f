"""The values of an order's columns that have a fixed set of values."""

from django.db import models
from django.utils.translation import gettext_lazy as _


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

    Only the service itself gives the reasons `payment_failed`, after the third decline,
    `reservation_expired`, when the order was not paid in time, and `replaced`, when another order
    takes its place.
    """

    CUSTOMER_REQUEST = "customer_request"
    OUT_OF_STOCK = "out_of_stock"
    PAYMENT_FAILED = "payment_failed"
    RESERVATION_EXPIRED = "reservation_expired"
    FRAUD = "fraud"
    OPERATOR = "operator"
    REPLACED = "replaced"
    OTHER = "other"


class HoldReason(models.TextChoices):
    """Why an order is on hold.

    The service itself gives the reasons `payment`, if another amount was captured than was
    charged, or an authorized payment of a confirmed order was lost, `dispute`, if the customer's
    bank takes a payment back, and `reservation`, if Inventory has not answered in time.
    """

    FRAUD = "fraud"
    ADDRESS = "address"
    PAYMENT = "payment"
    DISPUTE = "dispute"
    RESERVATION = "reservation"
    MANUAL = "manual"


class PaymentMethod(models.TextChoices):
    """What the customer chose when placing the order; a payment may use another method.

    With `cash_on_delivery` and `invoice` the order is confirmed before it is paid, if the
    organization offers that.
    """

    STRIPE = "stripe"
    MANUAL = "manual"
    SANDBOX = "sandbox"
    CASH_ON_DELIVERY = "cash_on_delivery"
    INVOICE = "invoice"

    @classmethod
    def on_account(cls) -> "tuple[PaymentMethod, ...]":
        """Return the methods with which an order is confirmed before it is paid."""
        return cls.CASH_ON_DELIVERY, cls.INVOICE


class TaxRounding(models.TextChoices):
    """What is rounded to the currency's decimals.

    - `line`: the tax of each line.
    - `rate`: the tax of each rate, on the sum over the document, as EN 16931 wants it. It is split
      over the lines in proportion to their exact taxes.
    """

    LINE = "line", _("the tax of each line")
    RATE = "rate", _("the tax of each rate, on the sum of its lines")


class TaxExemption(models.TextChoices):
    """Why a sale is not taxed, with its category in EN 16931.

    - `exempt`: the law exempts the goods or the seller (E).
    - `export`: the goods leave the customs area (G).
    - `intra_community`: a supply to a business in another country of the EU (K).
    - `reverse_charge`: the buyer owes the tax (AE).
    - `zero_rated`: the rate of the goods is zero (Z).
    """

    EXEMPT = "exempt"
    EXPORT = "export"
    INTRA_COMMUNITY = "intra_community"
    REVERSE_CHARGE = "reverse_charge"
    ZERO_RATED = "zero_rated"
