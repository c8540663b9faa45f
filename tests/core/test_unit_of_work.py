"""A unit of work reads each row once, and does not show what was rolled back."""

import re
from contextlib import suppress

import pytest
from django.db import connection
from django.db.models.signals import post_save
from django.test.utils import CaptureQueriesContext

from carts import selectors
from carts.models import Cart
from config.core import unit_of_work
from config.core.exceptions import Conflict
from tests.factories import CartFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def cart():
    return CartFactory()


def test_a_row_is_read_once_and_keeps_its_changes(cart):
    with unit_of_work.unit_of_work():
        first = selectors.get_for_update(cart.id)
        first.local_id = "local_1"
        first.save()
        with CaptureQueriesContext(connection) as queries, unit_of_work.unit_of_work():
            assert selectors.get_for_update(cart.id) is first
        assert not queries.captured_queries
    assert Cart.objects.get().local_id == "local_1"


def test_the_next_unit_of_work_reads_it_again(cart):
    with unit_of_work.unit_of_work():
        first = selectors.get_for_update(cart.id)
    with unit_of_work.unit_of_work():
        assert selectors.get_for_update(cart.id) is not first


def test_only_the_columns_that_have_changed_are_written(cart):
    with unit_of_work.unit_of_work(), CaptureQueriesContext(connection) as queries:
        row = selectors.get_for_update(cart.id)
        row.local_id = "local_1"
        row.save()
        row.save()
    (write,) = [q["sql"] for q in queries if q["sql"].startswith("UPDATE")]
    columns = re.findall(r'"(\w+)" = ', write.partition(" WHERE ")[0])
    assert set(columns) == {"local_id", "updated_at"}


@pytest.mark.parametrize("is_locked", [True, False])
def test_a_row_that_is_not_locked_cannot_be_saved(cart, is_locked):
    """Nor a second copy of one that is."""
    with unit_of_work.unit_of_work():
        if is_locked:
            selectors.get_for_update(cart.id)
        with pytest.raises(TypeError, match="is not locked, or another copy of it is"):
            Cart.objects.get().save()


def test_a_refusal_in_a_nested_block_refuses_the_whole(cart):
    @unit_of_work.unit_of_work()
    def refuse():
        row = selectors.get_for_update(cart.id)
        row.local_id = "local_1"
        row.save()
        raise Conflict("No.")

    with suppress(Conflict), unit_of_work.unit_of_work():
        refuse()
    assert Cart.objects.get().local_id != "local_1"


def test_after_a_savepoint_is_rolled_back_a_row_is_read_again(cart):
    with unit_of_work.unit_of_work():
        row = selectors.get_for_update(cart.id)
        with suppress(Conflict), unit_of_work.savepoint():
            row.local_id = "local_1"
            row.save()
            raise Conflict("No.")
        with pytest.raises(TypeError, match="load it again"):
            row.save()
        again = selectors.get_for_update(cart.id)
        assert again.local_id != "local_1"
        again.local_id = "local_2"
        again.save()
    assert Cart.objects.get().local_id == "local_2"


def test_a_change_of_parts_alone_is_announced_too(cart):
    """Receivers of `post_save` enqueue the calls that a part needs."""
    seen = []

    def look(instance, **kwargs):
        seen.append(instance.pk)

    post_save.connect(look, sender=Cart)
    try:
        with unit_of_work.unit_of_work():
            row = selectors.get_for_update(cart.id)
            row.save_part(row.lines[0])
            row.save()
    finally:
        post_save.disconnect(look, sender=Cart)
    assert seen == [cart.id]
