"""The pick screen, with and without its script."""

import re

import pytest
from django.urls import reverse

from events.models import EventRecord
from fulfillment import selectors
from orders.services import lifecycle
from tests.factories import LineFactory, OrderFactory
from tests.fulfillment.factories import FulfillmentFactory, fulfillments, pick_all, reach
from tests.log import event_names
from tests.parallel import at_once

pytestmark = pytest.mark.django_db

CHANGELIST = reverse("admin:fulfillment_fulfillment_changelist")


@pytest.fixture
def started():
    """Three mugs and two plates to pick."""
    lines = [("var_mug", "Mug", 3), ("var_plate", "Plate", 2)]
    return started_with(*lines)


def started_with(*lines):
    items = [LineFactory(variant_id=v, title=title, quantity=q) for v, title, q in lines]
    return reach(fulfillments(OrderFactory(status="confirmed", items=items))[0], "started")


def screen(fulfillment):
    return reverse("admin:fulfillment_fulfillment_pick", args=[fulfillment.id])


def scan(client, fulfillment, code, scan_id="scan_1", **more):
    """Send a scan as the script does."""
    accept = {"Accept": "application/json"}
    sent = {"code": code, "scan_id": scan_id, **more}
    response = client.post(screen(fulfillment), sent, headers=accept)
    assert response.status_code == 200
    return response.json()


def send_form(client, fulfillment, code, **more):
    """Open the page, send its form, and return the messages and the form."""
    page = client.get(screen(fulfillment)).content.decode()
    (scan_id, *_) = re.findall(r'name="scan_id" value="([^"]+)"', page)
    sent = {"code": code, "scan_id": scan_id, "csrfmiddlewaretoken": "x", **more}
    response = client.post(screen(fulfillment), sent, follow=True)
    assert response.redirect_chain == [(screen(fulfillment), 302)]
    return [(message.tags, str(message)) for message in response.context["messages"]], sent


def counts(fulfillment):
    lines = selectors.with_lines().get(pk=fulfillment.pk).lines
    return [(line.picked_quantity, line.short_quantity) for line in lines]


def test_a_scan_is_recorded_for_the_logged_in_operator(operator, started):
    response = scan(operator(username="olga"), started, "var_plate")
    assert (response["text"], response["is_refused"]) == ("1 of 2: Plate", False)
    assert (response["picked"], response["quantity"]) == (1, 5)
    assert response["is_picking_finished"] is False
    assert response["lines"][1] == {
        "id": started.lines[1].order_item_id,
        "picked": 1,
        "quantity": 2,
        "short": 0,
        "unpicked": 1,
    }
    assert EventRecord.objects.get(name="fulfillment.item_picked").actor == "olga"


def test_a_repeated_scan_counts_once(operator, started):
    client = operator()
    first = scan(client, started, "var_mug")
    assert scan(client, started, " var_mug ") == first
    assert scan(client, started, "var_mug", "scan_2")["text"] == "2 of 3: Mug"
    assert event_names(started.order).count("fulfillment.item_picked") == 2


@pytest.mark.django_db(transaction=True)
def test_concurrent_repeats_of_a_scan_count_once(operator):
    """A repeat counts for the line of the first scan, although that line is full by then."""
    started = started_with(("var_mug", "Mug", 1), ("var_mug", "Mug, used", 1))
    client = operator()
    texts = at_once(4, lambda n: scan(client, started, "var_mug")["text"])
    assert texts == ["1 of 1: Mug"] * 4
    assert scan(client, started, "var_mug", "scan_2")["text"] == "1 of 1: Mug, used"
    assert counts(started) == [(1, 0), (1, 0)]


def test_a_code_is_a_variant_id_or_a_line_id(operator, started):
    item = started.lines[0].order_item_id
    assert scan(operator(), started, item, quantity=3)["text"] == "3 of 3: Mug"


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"code": "var_cup"}, "No line has the code var_cup."),
        ({"code": "VAR_MUG"}, "No line has the code VAR_MUG."),
        ({"code": " "}, "Code: This field may not be blank."),
        ({"code": "c" * 65}, "Code: Ensure this field has no more than 64 characters."),
        ({"code": "var_mug", "quantity": "x"}, "Quantity: A valid integer is required."),
        ({"code": "var_mug", "scan_id": ""}, "Scan id: This field may not be blank."),
        ({"code": "var_mug", "picked_by": "x"}, "Picked by: Unknown field."),
        (
            {"code": "var_mug", "quantity": 4},
            "Mug: 4 requested, 3 still to be picked here.",
        ),
    ],
)
def test_a_refused_scan_is_explained_and_not_counted(operator, started, sent, why):
    response = scan(operator(), started, **sent)
    assert (response["text"], response["is_refused"]) == (why, True)
    assert counts(started) == [(0, 0), (0, 0)]
    assert response["picked"] == 0, "a refusal also has the current quantities"


def test_a_scan_id_of_another_line_is_refused(operator, started):
    client = operator()
    scan(client, started, "var_mug")
    again = scan(client, started, "var_plate")
    assert again["is_refused"]
    assert "send a new one" in again["text"]


def test_missing_units_are_reported_short(operator, started):
    client = operator()
    response = scan(client, started, "var_plate", quantity=2, reason="not found")
    assert response["text"] == "2 short: Plate"
    assert response["lines"][1]["short"] == 2
    assert scan(client, started, "var_mug", "scan_2", quantity=3)["is_picking_finished"]


def test_without_the_script_the_form_shows_the_result_on_the_next_page(operator, started):
    client = operator()
    messages, sent = send_form(client, started, "var_mug")
    assert messages == [("success", "1 of 3: Mug")]
    again = client.post(screen(started), sent, follow=True)
    assert "1 of 3: Mug" in again.content.decode()
    assert counts(started) == [(1, 0), (0, 0)], "a form that is sent twice counts once"
    assert send_form(client, started, "var_mug")[0] == [("success", "2 of 3: Mug")]
    assert send_form(client, started, "nonsense")[0] == [
        ("error", "No line has the code nonsense.")
    ]


def test_one_button_picks_the_rest_of_a_line(operator, started):
    client, item = operator(), started.lines[0].order_item_id
    page = client.get(screen(started)).content.decode()
    assert f'name="code" value="{item}"' in page
    assert send_form(client, started, item, quantity=3)[0] == [("success", "3 of 3: Mug")]


def test_a_finished_pick_links_to_packing(operator, started):
    client = operator()
    pack = reverse("admin:fulfillment_fulfillment_command", args=[started.id, "pack"])
    hidden = 'id="finished" class="next" hidden'
    assert hidden in client.get(screen(started)).content.decode()
    pick_all(started)
    page = client.get(screen(started)).content.decode()
    assert hidden not in page
    assert f'href="{pack}"' in page


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("open", "Picking has not started."),
        ("packed", "This fulfillment is packed."),
        ("cancelled", "This fulfillment is cancelled."),
    ],
)
def test_the_screen_says_why_nothing_can_be_picked(operator, status, message):
    client, fulfillment = operator(), FulfillmentFactory(status=status)
    page = client.get(screen(fulfillment)).content.decode()
    assert message in page
    assert 'id="scan"' not in page
    response = scan(client, fulfillment, fulfillment.lines[0].order_item_id)
    assert response["is_refused"]


def test_the_page_and_the_list_link_to_the_pick_screen(operator, started):
    client = operator()
    change = reverse("admin:fulfillment_fulfillment_change", args=[started.id])
    (button,) = [b for b in client.get(change).context["actions_detail"] if b["title"] == "Pick"]
    assert button["path"] == screen(started)
    listed = client.get(CHANGELIST, {"queue": "to-pick"}).content.decode()
    assert f'href="{screen(started)}"' in listed
    pick_all(started)
    assert f'href="{screen(started)}"' not in client.get(CHANGELIST).content.decode()


def test_the_view_permission_does_not_allow_picking(operator, started):
    client = operator("fulfillment.view_fulfillment")
    assert client.get(screen(started)).status_code == 403
    sent = {"code": "var_mug", "scan_id": "scan_1"}
    assert client.post(screen(started), sent).status_code == 403
    assert counts(started) == [(0, 0), (0, 0)]


def test_an_anonymous_request_is_redirected_to_the_login(client, started):
    response = client.post(screen(started), {"code": "var_mug", "scan_id": "scan_1"})
    assert (response.status_code, "/admin/login/" in response.url) == (302, True)


def test_an_unknown_fulfillment_redirects_with_a_message(operator):
    url = reverse("admin:fulfillment_fulfillment_pick", args=["ful_0"])
    assert "doesn’t exist" in operator().get(url, follow=True).content.decode()


def test_the_screen_shows_a_hold_and_refuses_scans_with_its_reason(operator, started):
    client = operator()
    assert "on hold" not in client.get(screen(started)).content.decode()
    lifecycle.hold_order(order_id=started.order_id, reason="address", note="No such street.")
    page = client.get(screen(started)).content.decode()
    assert "The order is on hold (address: No such street.)." in page
    response = scan(client, started, "var_mug")
    assert response["is_refused"]
    assert "is on hold (address: No such street.)" in response["text"]
    assert scan(client, started, "var_mug", "scan_2", reason="not found")["is_refused"] is False
    assert counts(started) == [(0, 1), (0, 0)], "a missing unit can be reported"
