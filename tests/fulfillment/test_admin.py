"""Fulfillments in the admin."""

import pytest

from fulfillment import selectors
from orders.services import lifecycle
from tests.documents import text_of
from tests.fulfillment.factories import (
    FulfillmentFactory,
    fulfillments,
    order_in,
    pick,
    pick_all,
    reach,
    short,
)

pytestmark = pytest.mark.django_db
LIST = "/admin/fulfillment/fulfillment/"


@pytest.fixture
def olga(operator):
    return operator()


def page(olga, fulfillment, rest="change/"):
    return olga.get(f"{LIST}{fulfillment.id}/{rest}").content.decode()


def do(olga, fulfillment, verb, body):
    return olga.post(f"{LIST}{fulfillment.id}/do/{verb}/", body, follow=True).content.decode()


def found(olga, queue):
    listed = olga.get(f"{LIST}?queue={queue}")
    return {row.pk for row in listed.context["cl"].result_list}


def test_each_queue_lists_its_fulfillments(olga, run_reactions):
    to_start = FulfillmentFactory()
    to_pick = FulfillmentFactory(status="started")
    to_pack = FulfillmentFactory(status="started")
    pick_all(to_pack)
    with_short = reach(fulfillments(order_in({"wh_1": 3}))[0], "started")
    pick(with_short, quantity=2)
    short(with_short)
    nothing_found = FulfillmentFactory(status="started")
    short(nothing_found, quantity=2)
    held = FulfillmentFactory()
    lifecycle.hold_order(order_id=held.order_id, reason="fraud")
    FulfillmentFactory(status="packed")
    FulfillmentFactory(status="cancelled")
    to_unpack = reach(FulfillmentFactory(status="packed"), "cancelled")
    assert found(olga, "to-pick") == {to_start.pk, to_pick.pk}
    assert found(olga, "to-pack") == {to_pack.pk, with_short.pk}
    assert found(olga, "short") == {with_short.pk, nothing_found.pk}
    assert found(olga, "to-unpack") == {to_unpack.pk}
    do(olga, to_unpack, "unpack", {})
    assert found(olga, "to-unpack") == set()
    assert "To pick" in olga.get("/admin/").content.decode()


def test_search_finds_a_fulfillment_by_number_and_ids(olga):
    row, _ = FulfillmentFactory(), FulfillmentFactory()
    for query in (row.order.number, row.order_id, row.id):
        listed = olga.get(LIST, {"q": query})
        assert [row.pk for row in listed.context["cl"].result_list] == [row.id]


def test_units_are_picked_without_a_scanner_and_packed(olga):
    fulfillment = reach(fulfillments(order_in({"wh_1": 3}))[0], "started")
    item = fulfillment.lines[0].order_item_id
    form = page(olga, fulfillment, "do/pick/")
    assert item in form
    for quantity in (1, 2):
        body = {"order_item_id": item, "quantity": quantity, "scan_id": f"by hand {quantity}"}
        assert "The pick of fulfillment" in do(olga, fulfillment, "pick", body)
    assert "0 still to be picked" in do(olga, fulfillment, "pick", body | {"scan_id": "c"})
    packages = {"packages[0].weight": "2.5", "packages[0].length": "30"}
    assert "was packed" in do(olga, fulfillment, "pack", packages)
    assert "2.5 kg (30 cm)" in page(olga, fulfillment)


def test_a_bulk_start_reports_refused_rows(olga):
    first, held = FulfillmentFactory(), FulfillmentFactory()
    lifecycle.hold_order(order_id=held.order_id, reason="fraud")
    body = {"action": "start", "_selected_action": [first.pk, held.pk]}
    page_after = olga.post(LIST, body, follow=True).content.decode()
    assert "Start picking: 1 of 2 rows done." in page_after
    assert f"{held.order_id} is on hold (fraud). It can go on once it is released." in page_after
    assert selectors.get(first.id).assigned_to == "olga"


def test_short_units_are_moved_or_written_off(olga):
    fulfillment = reach(fulfillments(order_in({"wh_1": 3}))[0], "started")
    item = fulfillment.lines[0].order_item_id
    short(fulfillment, quantity=2)
    one = {"items[0].order_item_id": item, "items[0].quantity": 1}
    assert "were moved" in do(olga, fulfillment, "move", {**one, "warehouse_id": "wh_2"})
    assert "were written off" in do(olga, fulfillment, "write-off", one)
    assert selectors.get(fulfillment.id).lines[0].quantity == 1


def selected(client, action, *rows):
    sent = {"action": action, "_selected_action": [row.pk for row in rows], "index": 0}
    return client.post(LIST, sent)


def test_the_documents_of_several_rows_are_printed_as_one(olga):
    first, second, third = (FulfillmentFactory(status="packed") for _ in range(3))
    second.items.update(title="A mug \ue000")
    for action in ("print_pick_lists", "print_packing_slips"):
        response = selected(olga, action, first, third)
        pages = text_of(response.content)
        assert [first.id in pages[0], third.id in pages[1], len(pages)] == [True, True, 2]
    response = selected(olga, "print_packing_slips", first, second)
    (page,) = text_of(response.content)
    assert first.id in page
    (message,) = olga.get(LIST).context["messages"]
    assert "U+E000" in str(message)
    assert selected(olga, "print_packing_slips", second).status_code == 302


def test_documents_need_the_view_permission(olga, operator, client):
    fulfillment = FulfillmentFactory()
    for name in ("pick-list", "packing-slip"):
        response = olga.get(f"{LIST}{fulfillment.id}/print/{name}/")
        assert response.content.startswith(b"%PDF")
        assert f'print/{name}/"' in page(olga, fulfillment)
    assert olga.get(f"{LIST}{fulfillment.id}/print/other/").status_code == 404
    stranger = operator("orders.view_order", username="otto")
    assert stranger.get(f"{LIST}{fulfillment.id}/print/pick-list/").status_code == 403
    assert client.get(f"{LIST}{fulfillment.id}/print/pick-list/").status_code == 302
