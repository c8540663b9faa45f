"""Creates carts, and optionally orders, until the process is terminated.

Half of the carts are rolled back and must never be published.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from itertools import count

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.db import InterfaceError, OperationalError, connection, transaction  # noqa: E402

from payments.services import capture  # noqa: E402
from tests.factories import CartFactory, LineFactory, OrderFactory  # noqa: E402


class ChangedMindError(Exception):
    """Everything so far is rolled back."""


def live(buys: bool) -> None:
    CartFactory(lines=[LineFactory(), LineFactory()])
    with suppress(ChangedMindError), transaction.atomic():
        CartFactory()
        raise ChangedMindError
    if buys:
        order = OrderFactory()  # workers pay, confirm and invoice it, and open its fulfillment
        capture.start_payment(order_id=order.id, method="sandbox", token="tok_ok")


def main(pause: float, orders: bool) -> None:
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    for number in count():
        if stopped:
            return
        try:
            live(orders and number % 8 == 0)
        except (OperationalError, InterfaceError):  # the database is down
            connection.close()
            time.sleep(0.2)  # like a client that retries
        time.sleep(pause)  # sets the load


if __name__ == "__main__":
    main(float(sys.argv[1]), orders=sys.argv[2] == "orders")
