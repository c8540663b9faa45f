"""Statements that Django writes once. `tests/held.py` compares their rows in all other tests."""

import pytest
from django.db import connection, transaction
from django.db.models import F, Q
from django.test.utils import CaptureQueriesContext

from config.core import sql
from orders.models import Order, OrderItem
from tests.factories import ADDRESS, OrderFactory

pytestmark = pytest.mark.django_db


def by(model, **where):
    return sql.rows(filtered, model, where=Q(**where))


def filtered(model, where):
    return model.objects.filter(where)


def locked(where):
    return Order.objects.select_for_update(no_key=True).filter(where)


def values(rows):
    return [{f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields} for row in rows]


def test_the_rows_are_those_of_the_queryset():
    OrderFactory()
    order = OrderFactory(shipping_address=ADDRESS)
    (found,) = by(Order, pk=order.pk, organization_id="org_1")
    assert values([found]) == values(Order.objects.filter(pk=order.pk))
    assert found.shipping_address["city"] == ADDRESS["city"]
    assert values(by(OrderItem, order_id=order.pk)) == values(order.items.all())
    assert by(Order, pk=order.pk, organization_id="org_2") == []


def test_conditions_of_every_shape():
    one, two = OrderFactory(customer_id="cust_1"), OrderFactory(customer_id=None, session_id="s")
    everything = by(Order)
    assert {row.pk for row in everything} == {one.pk, two.pk}
    assert by(Order, pk__in=[]) == []
    assert by(Order, pk__in=[two.pk]) == [two]
    assert len(by(Order, pk__in=[one.pk, two.pk])) == 2
    for value in ("cust_1", "cust_2", None):
        expected = Order.objects.filter(customer_id=value)
        assert by(Order, customer_id=value) == list(expected)
    guest = Q(pk__in=[]) | Q(session_id="s", customer_id=None)
    assert sql.rows(filtered, Order, where=guest & Q(organization_id="org_1")) == [two]
    assert sql.rows(filtered, Order, where=~guest) == [one]


def test_related_rows_and_annotations():
    order = OrderFactory()

    def build(where):
        items = OrderItem.objects.select_related("order").annotate(double=F("quantity") * 2)
        return items.filter(where)

    for item in sql.rows(build, where=Q(order_id=order.pk)):
        with CaptureQueriesContext(connection) as queries:
            assert item.order == order
        assert (item.double, len(queries)) == (item.quantity * 2, 0)


def test_a_value_is_never_part_of_the_statement():
    for text in ("'; DROP TABLE orders_order; --", "%s", "0", "x" * 70_000):
        assert by(Order, pk=text) == []


def test_a_text_that_django_would_change_is_refused():
    with pytest.raises(TypeError, match="not compared as it is"):
        by(Order, number__contains="1")


def test_what_would_be_read_otherwise_is_refused():
    with pytest.raises(TypeError, match="is no text"):
        by(Order, signature_required=True)
    with pytest.raises(TypeError, match="would not be read"):
        sql.rows(lambda where: Order.objects.prefetch_related("items"), where=Q(pk="order_1"))


def test_a_statement_is_written_once():
    by(Order, pk="order_1")
    before = sql._statement.cache_info().misses
    with CaptureQueriesContext(connection) as queries:
        by(Order, pk="order_1")
        list(Order.objects.filter(pk="order_1"))
    assert queries[0]["sql"] == queries[1]["sql"]
    assert sql._statement.cache_info().misses == before


@pytest.mark.django_db(transaction=True)
def test_a_row_is_locked_in_a_transaction_only():
    order = OrderFactory()
    with pytest.raises(transaction.TransactionManagementError):
        sql.rows(locked, where=Q(pk=order.pk))
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        assert sql.rows(locked, where=Q(pk=order.pk)) == [order]
    assert queries[0]["sql"].endswith("FOR NO KEY UPDATE")
