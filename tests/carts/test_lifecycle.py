"""Every state of a cart against everything that can be asked of it."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from carts import services
from carts.models import Cart
from config.core.exceptions import AddressRequired
from events.aggregate import InvalidTransition
from tests.factories import ADDRESS, CartFactory, LineFactory
from tests.facts import mark, told

pytestmark = pytest.mark.django_db

STATES = [str(status) for status in Cart.Status]
LATER = timedelta(days=1000)


def merge(cart):
    return services.merge_cart(cart_id=cart.id, into=CartFactory(lines=[]).id)


def take_over(cart):
    guest = CartFactory(customer_id=None, session_id="sess_1")
    return services.merge_cart(cart_id=guest.id, into=cart.id)


def check_out(cart, address=ADDRESS):
    return services.check_out(cart_id=cart.id, shipping_address=address)


def abandon(cart):
    return services.abandon_idle_carts(now=timezone.now() + timedelta(days=2))


def expire(cart):
    return services.expire_idle_carts(now=timezone.now() + LATER)


REACHED = {
    "active": lambda cart: None,
    "abandoned": abandon,
    "converted": check_out,
    "expired": expire,
    "merged": merge,
}
COMMANDS = {
    "add": lambda c: services.add_item(cart_id=c.id, **LineFactory()),
    "change": lambda c: services.change_item(cart_id=c.id, item_id=c.lines[0].id, quantity=9),
    "change to the same": lambda c: services.change_item(
        cart_id=c.id, item_id=c.lines[0].id, quantity=2
    ),
    "remove": lambda c: services.remove_item(cart_id=c.id, item_id=c.lines[0].id),
    "merge": merge,
    "take over": take_over,
    "check out": check_out,
    "check out without an address": lambda c: check_out(c, address=None),
    "abandon": abandon,
    "expire": expire,
}
NO, STANDS = "refused", "stands already"
CHANGED = ("active", ["cart.item_changed"])
# What is asked: the answer in each state, in their order; or the state after, and what happens.
TABLE = {
    "add": [*[("active", ["cart.item_added"])] * 2, NO, NO, NO],
    "change": [CHANGED, CHANGED, NO, NO, NO],
    "change to the same": [STANDS, STANDS, NO, NO, NO],
    "remove": [CHANGED, CHANGED, NO, NO, NO],
    "merge": [*[("merged", ["cart.merged"])] * 2, NO, NO, NO],
    "take over": [*[("active", ["cart.items_absorbed"])] * 2, NO, NO, NO],
    "check out": [*[("converted", ["cart.converted"])] * 2, STANDS, NO, NO],
    "check out without an address": [NO, NO, STANDS, NO, NO],
    "abandon": [("abandoned", ["cart.abandoned"]), *[STANDS] * 4],
    "expire": [*[("expired", ["cart.expired"])] * 2, *[STANDS] * 3],
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("command", COMMANDS)
def test_state_and_command(command, state):
    cart = CartFactory()
    REACHED[state](cart)
    cart = Cart.objects.get(pk=cart.id)
    before, expected = mark(), TABLE[command][STATES.index(state)]
    assert cart.status == state
    if expected == NO:
        refusal = AddressRequired if state in Cart.OPEN else InvalidTransition
        with pytest.raises(refusal), transaction.atomic():
            COMMANDS[command](cart)
    else:
        COMMANDS[command](cart)
    after, names = (state, []) if expected in (NO, STANDS) else expected
    cart.refresh_from_db()
    assert cart.status == after
    assert told(cart, after=before) == names


def test_every_transition_is_in_the_table():
    happens = [cell for row in TABLE.values() for cell in row if cell not in (NO, STANDS)]
    assert {row.emits.name for row in Cart.transitions()} == {n for _, ns in happens for n in ns}


@pytest.mark.parametrize("state", STATES)
def test_only_an_open_cart_can_be_changed(state):
    cart = CartFactory()
    REACHED[state](cart)
    actions = ["add_item", "change_item", "remove_item", "merge", "checkout"]
    expected = actions if state in Cart.OPEN else []
    assert Cart.objects.get(pk=cart.id).allowed_actions() == expected


@pytest.mark.parametrize("status", ["converted", "merged", "sold"])
def test_the_database_refuses_a_state_that_cannot_be(status):
    cart = CartFactory()
    cart.status = status
    with pytest.raises(IntegrityError), transaction.atomic():
        cart.save()
