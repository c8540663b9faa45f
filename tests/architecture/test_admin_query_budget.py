"""What a page of the admin asks of the database does not grow with what it shows."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from events.models import Event, Outbox, Reaction
from tests.factories import CartFactory, LineFactory, OrderFactory, ship, write_off

pytestmark = pytest.mark.django_db

SIZES = (1, 30)


@pytest.fixture
def client():
    client = Client()
    client.force_login(User.objects.create_superuser("olga"))
    return client


def lines(count):
    return [LineFactory() for _ in range(count)]


def overview(size):
    [OrderFactory() for _ in range(size)]
    return reverse("admin:index")


def orders(size):
    [OrderFactory(items=lines(size)) for _ in range(size)]
    return reverse("admin:orders_order_changelist")


def order(size):
    row = OrderFactory(items=lines(size), status="processing")
    for n in range(size):
        write_off(row, n, 1)
    ship(row)
    return reverse("admin:orders_order_change", args=[row.id])


def reservation(size):
    row = OrderFactory(items=lines(size))
    return reverse("admin:orders_order_command", args=[row.id, "reservation"])


def carts(size):
    [CartFactory(lines=lines(size)) for _ in range(size)]
    return reverse("admin:carts_cart_changelist")


def cart(size):
    row = CartFactory(lines=lines(size))
    return reverse("admin:carts_cart_change", args=[row.id])


def log(size):
    [OrderFactory() for _ in range(size)]
    return reverse("admin:events_event_changelist")


def event(size):
    OrderFactory()
    return reverse("admin:events_event_change", args=[Event.objects.latest("number").pk])


def messages(size):
    [OrderFactory() for _ in range(size)]
    Outbox.objects.update(parked_at=timezone.now())
    return reverse("admin:events_outbox_changelist")


def reactions(size):
    for n in range(size):
        row = Event.objects.filter(stream=OrderFactory().id).first()
        Reaction.objects.create(event=row, reaction=f"r{n}", stream=row.stream, context="payments")
    return reverse("admin:events_reaction_changelist")


BUDGET = {  # session and user included
    overview: 7,
    orders: 5,
    order: 11,
    reservation: 5,
    carts: 4,
    cart: 6,
    log: 4,
    event: 4,
    messages: 5,
    reactions: 5,
}


@pytest.mark.parametrize("page", BUDGET)
def test_queries(client, page):
    counted = []
    for size in SIZES:
        url = page(size)
        client.get(url)  # what is cached for the process is there
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(url)
        assert answer.status_code == 200
        counted.append(len(queries))
    small, large = counted
    assert small == large, [q["sql"][:200] for q in queries]
    assert large <= BUDGET[page], [q["sql"][:200] for q in queries]
