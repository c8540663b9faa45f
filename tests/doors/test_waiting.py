"""A caller that makes others wait, for a lock or a slow query, does not make them wait for long."""

import subprocess
import sys
from contextlib import contextmanager
from threading import Event

import pytest
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from carts.models import Cart
from carts.services import check_out
from config.core import numbering
from config.core.models import NumberSeries
from config.core.timers import for_each
from events import reactions
from events.models import Reaction
from invoices.models import Invoice
from orders.models import Order
from returns.models import Return
from tests.api.test_problems import check
from tests.broker.conftest import environment
from tests.events.sample_events import at_once
from tests.factories import CartFactory, OrderFactory
from tests.shipments.factories import ShipmentFactory, scan

pytestmark = pytest.mark.django_db(transaction=True)
NAMES = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")


@contextmanager
def timeouts(**values):
    """Set timeouts of this thread's connection, shorter than those of a process."""
    with connection.cursor() as cursor:
        for name, value in values.items():
            cursor.execute(f"SET {name} = '{value}'")
    yield
    connection.close()


def sleep(*args, **kwargs):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(20)")


def while_locked(rows, act):
    """Call `act`, in a thread of its own, while another transaction has locked the rows."""
    locked, done = Event(), Event()

    def hold():
        with transaction.atomic():
            assert rows.select_for_update().get()
            locked.set()
            assert done.wait(20)

    def wait():
        assert locked.wait(20)
        try:
            with timeouts(lock_timeout="50ms"):
                act()
        finally:
            done.set()

    at_once(hold, wait)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("import config.wsgi", ["5s", "15s", "1min"]),
        (
            "import django; django.setup(); from celery.signals import worker_init;"
            "worker_init.send(None)",
            ["15s", "1min", "1min"],
        ),
    ],
    ids=["web", "worker"],
)
def test_each_role_has_its_timeouts(start, expected):
    show = (
        f"{start}; from django.db import connection; cursor = connection.cursor();"
        f"print(*[cursor.execute('SHOW ' + name).fetchone()[0] for name in {NAMES}])"
    )
    run = subprocess.run(
        [sys.executable, "-c", show],
        env=environment(DJANGO_SETTINGS_MODULE="config.settings"),
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert run.stdout.split() == expected
    with connection.cursor() as cursor:  # of a command
        assert [cursor.execute(f"SHOW {name}").fetchone()[0] for name in NAMES] == [
            *("15s", "0", "1min")
        ]


def test_a_request_that_waits_too_long_for_a_lock_gets_503_and_does_nothing(api):
    order = OrderFactory()
    path, body = f"/api/v1/orders/{order.pk}/hold", {"reason": "address"}

    def hold():
        response = api.post(path, body)
        check(response, 503, "busy")
        assert response["Retry-After"] == "1"

    while_locked(Order.objects.filter(pk=order.pk), hold)
    assert "release" in api.post(path, body).json()["allowed_actions"]


def test_a_query_that_takes_too_long_gets_503_in_the_admin_too(api, operator, monkeypatch):
    client = operator()
    monkeypatch.setattr("orders.views.Orders.paginate_queryset", sleep)
    monkeypatch.setattr("orders.admin.OrderAdmin.get_queryset", sleep)
    with timeouts(statement_timeout="50ms"):
        check(api.get("/api/v1/orders"), 503, "busy")
        check(client.get("/admin/orders/order/"), 503, "busy")


def test_a_reaction_that_waits_too_long_for_a_lock_has_not_failed(run_reactions):
    OrderFactory(status="confirmed")
    run_reactions()
    order = OrderFactory(status="confirmed")
    pending = Reaction.objects.get()

    def react():
        with pytest.raises(OperationalError, match="lock timeout"):
            reactions.run_pending(pending.stream)

    while_locked(NumberSeries.objects.filter(series="INV"), react)
    assert Reaction.objects.get().attempts == 0
    run_reactions()
    assert Invoice.objects.filter(order=order.pk).exists()


def test_a_timer_leaves_out_an_aggregate_that_takes_too_long(caplog):
    carts = [CartFactory() for _ in range(2)]

    def act(cart):
        if cart.pk == carts[0].pk:
            sleep()
        cart.abandon(at=timezone.now())

    with timeouts(statement_timeout="50ms"):
        assert for_each(Cart.objects.order_by("pk"), act) == 1
    assert f"A timer failed on {carts[0].pk}" in caplog.text


def test_orders_wait_for_no_number_of_their_organization(monkeypatch):
    """The numbers of a checkout and of a parcel's return are taken outside their transactions."""
    for services in ("orders.services.lifecycle", "returns.services"):
        monkeypatch.setattr(f"{services}.take_number", numbering.take_number)
    carts = [CartFactory() for _ in range(2)]
    parcels = [ShipmentFactory(status="dispatched") for _ in range(2)]

    def work():
        address = {"name": "A", "line1": "B", "city": "C", "country": "MX"}
        check_out(cart_id=carts.pop().pk, shipping_address=address)
        scan(parcels.pop(), "returned_to_sender")

    def work_impatiently():
        with timeouts(lock_timeout="50ms"):
            work()

    with transaction.atomic():
        work()
        at_once(work_impatiently)
    assert Return.objects.count() == 2
    assert not Reaction.objects.exclude(context="invoices").exists()
