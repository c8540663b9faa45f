"""The outcome of every command in every state of a cart."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from carts import services
from carts.exceptions import AlreadyCheckedOut
from carts.models import Cart
from config.core.exceptions import AddressRequired
from events.aggregate import InvalidTransition
from tests.factories import ADDRESS, CartFactory, LineFactory
from tests.log import event_names, latest_number

pytestmark = pytest.mark.django_db

LATER = timedelta(days=1000)


def merge(cart):
    return services.merge_cart(cart_id=cart.id, into=CartFactory(lines=[]).id)


def absorb(cart):
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
    "absorb": absorb,
    "check out": check_out,
    "check out without an address": lambda c: check_out(c, address=None),
    "abandon": abandon,
    "expire": expire,
}
NO, UNCHANGED = "refused", "unchanged"
ADDED = ("active", ["cart.item_added"])
CHANGED = ("active", ["cart.item_changed"])
MERGED = ("merged", ["cart.merged"])
ABSORBED = ("active", ["cart.items_absorbed"])
CONVERTED = ("converted", ["cart.converted"])
EXPIRED = ("expired", ["cart.expired"])
FINAL = {"converted": UNCHANGED, "expired": UNCHANGED, "merged": UNCHANGED}
TABLE = {  # the status after the command, and its events; a state that is missing refuses it
    "add": {"active": ADDED, "abandoned": ADDED},
    "change": {"active": CHANGED, "abandoned": CHANGED},
    "change to the same": {"active": UNCHANGED, "abandoned": UNCHANGED},
    "remove": {"active": CHANGED, "abandoned": CHANGED},
    "merge": {"active": MERGED, "abandoned": MERGED},
    "absorb": {"active": ABSORBED, "abandoned": ABSORBED},
    "check out": {"active": CONVERTED, "abandoned": CONVERTED, "converted": UNCHANGED},
    "check out without an address": {},
    "abandon": {"active": ("abandoned", ["cart.abandoned"]), "abandoned": UNCHANGED, **FINAL},
    "expire": {"active": EXPIRED, "abandoned": EXPIRED, **FINAL},
}
REFUSALS = {
    ("check out without an address", "active"): AddressRequired,
    ("check out without an address", "abandoned"): AddressRequired,
    ("check out without an address", "converted"): AlreadyCheckedOut,
}


@pytest.mark.parametrize("state", REACHED)
@pytest.mark.parametrize("command", COMMANDS)
def test_outcome_of_each_command_in_each_state(command, state):
    cart = CartFactory()
    REACHED[state](cart)
    cart = Cart.objects.get(pk=cart.id)
    before, outcome = latest_number(), TABLE[command].get(state, NO)
    assert cart.status == state
    if outcome == NO:
        error = REFUSALS.get((command, state), InvalidTransition)
        with pytest.raises(error), transaction.atomic():
            COMMANDS[command](cart)
    else:
        COMMANDS[command](cart)
    status, names = (state, []) if outcome in (NO, UNCHANGED) else outcome
    cart.refresh_from_db()
    assert cart.status == status
    assert event_names(cart, after=before) == names


def test_every_state_is_covered():
    assert list(REACHED) == Cart.Status.values


def test_every_transition_is_in_the_table():
    outcomes = [outcome for row in TABLE.values() for outcome in row.values()]
    names = {name for outcome in outcomes if outcome != UNCHANGED for name in outcome[1]}
    assert {row.emits.name for row in Cart.transitions()} == names | {"customer.erased"}


@pytest.mark.parametrize("state", REACHED)
def test_only_an_open_cart_can_be_changed(state):
    cart = CartFactory()
    REACHED[state](cart)
    actions = ["add_item", "change_item", "remove_item", "merge", "checkout"]
    expected = actions if state in Cart.OPEN else []
    assert Cart.objects.get(pk=cart.id).allowed_actions() == expected


@pytest.mark.parametrize("status", ["converted", "merged", "sold"])
def test_the_database_refuses_an_invalid_status(status):
    cart = CartFactory()
    cart.status = status
    with pytest.raises(IntegrityError), transaction.atomic():
        cart.save()
