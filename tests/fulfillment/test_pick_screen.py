"""The pick screen: what a scan does, with and without a script."""

import re

import pytest
from django.urls import reverse

from events.models import EventRecord
from fulfillment import selectors
from tests.factories import LineFactory, OrderFactory
from tests.facts import told
from tests.fulfillment.factories import FulfillmentFactory, fulfillments, pick_all, reach
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
    """Send what a script sends."""
    accept = {"Accept": "application/json"}
    sent = {"code": code, "scan_id": scan_id, **more}
    answer = client.post(screen(fulfillment), sent, headers=accept)
    assert answer.status_code == 200
    return answer.json()


def send_form(client, fulfillment, code, **more):
    """Open the page, fill in its form, send it, and return what the next page says."""
    page = client.get(screen(fulfillment)).content.decode()
    (scan_id, *_) = re.findall(r'name="scan_id" value="([^"]+)"', page)
    sent = {"code": code, "scan_id": scan_id, "csrfmiddlewaretoken": "x", **more}
    answer = client.post(screen(fulfillment), sent, follow=True)
    assert answer.redirect_chain == [(screen(fulfillment), 302)]
    return [(message.tags, str(message)) for message in answer.context["messages"]], sent


def counts(fulfillment):
    lines = selectors.with_lines().get(pk=fulfillment.pk).lines
    return [(line.picked_quantity, line.short_quantity) for line in lines]


def test_a_scan_is_counted_for_whoever_has_scanned(operator, started):
    answer = scan(operator(username="olga"), started, "var_plate")
    assert (answer["text"], answer["is_refused"]) == ("1 of 2: Plate", False)
    assert (answer["picked"], answer["quantity"], answer["is_picking_finished"]) == (1, 5, False)
    assert answer["lines"][1] == {
        "id": started.lines[1].order_item_id,
        "picked": 1,
        "quantity": 2,
        "short": 0,
        "unpicked": 1,
    }
    assert EventRecord.objects.get(name="fulfillment.item_picked").actor == "olga"


def test_a_scan_that_comes_again_counts_once(operator, started):
    client = operator()
    first = scan(client, started, "var_mug")
    assert scan(client, started, " var_mug ") == first
    assert scan(client, started, "var_mug", "scan_2")["text"] == "2 of 3: Mug"
    assert told(started.order).count("fulfillment.item_picked") == 2


@pytest.mark.django_db(transaction=True)
def test_the_same_scan_at_once_counts_once(operator):
    """It means the same line again, though that is full by then and another has the same code."""
    started = started_with(("var_mug", "Mug", 1), ("var_mug", "Mug, used", 1))
    client = operator()
    answers = at_once(4, lambda n: scan(client, started, "var_mug")["text"])
    assert answers == ["1 of 1: Mug"] * 4
    assert scan(client, started, "var_mug", "scan_2")["text"] == "1 of 1: Mug, used"
    assert counts(started) == [(1, 0), (1, 0)]


def test_a_code_is_a_variant_or_a_line(operator, started):
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
def test_what_is_refused_is_said_in_words_and_counts_nothing(operator, started, sent, why):
    answer = scan(operator(), started, **sent)
    assert (answer["text"], answer["is_refused"]) == (why, True)
    assert counts(started) == [(0, 0), (0, 0)]
    assert answer["picked"] == 0, "the page is told how things stand all the same"


def test_a_scan_id_that_meant_another_line_is_refused(operator, started):
    client = operator()
    scan(client, started, "var_mug")
    again = scan(client, started, "var_plate")
    assert again["is_refused"]
    assert "send a new one" in again["text"]


def test_units_that_are_not_to_be_found_are_reported(operator, started):
    client = operator()
    answer = scan(client, started, "var_plate", quantity=2, reason="not found")
    assert answer["text"] == "2 short: Plate"
    assert answer["lines"][1]["short"] == 2
    assert scan(client, started, "var_mug", "scan_2", quantity=3)["is_picking_finished"]


def test_without_a_script_the_form_is_sent_and_the_page_says_what_came_of_it(operator, started):
    client = operator()
    said, sent = send_form(client, started, "var_mug")
    assert said == [("success", "1 of 3: Mug")]
    again = client.post(screen(started), sent, follow=True)
    assert "1 of 3: Mug" in again.content.decode()
    assert counts(started) == [(1, 0), (0, 0)], "the button was pressed twice"
    assert send_form(client, started, "var_mug")[0] == [("success", "2 of 3: Mug")]
    assert send_form(client, started, "nonsense")[0] == [
        ("error", "No line has the code nonsense.")
    ]


def test_what_is_left_of_a_line_is_picked_with_one_button(operator, started):
    client, item = operator(), started.lines[0].order_item_id
    page = client.get(screen(started)).content.decode()
    assert f'name="code" value="{item}"' in page
    assert send_form(client, started, item, quantity=3)[0] == [("success", "3 of 3: Mug")]


def test_when_everything_is_looked_for_the_page_leads_to_packing(operator, started):
    client = operator()
    pack = reverse("admin:fulfillment_fulfillment_command", args=[started.id, "pack"])
    hidden = 'id="finished" class="next" hidden'
    assert hidden in client.get(screen(started)).content.decode()
    pick_all(started)
    page = client.get(screen(started)).content.decode()
    assert hidden not in page
    assert f'href="{pack}"' in page


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("open", "Picking has not started."),
        ("packed", "This fulfillment is packed."),
        ("cancelled", "This fulfillment is cancelled."),
    ],
)
def test_what_cannot_be_picked_now_says_so(operator, status, said):
    client, fulfillment = operator(), FulfillmentFactory(status=status)
    page = client.get(screen(fulfillment)).content.decode()
    assert said in page
    assert 'id="scan"' not in page
    answer = scan(client, fulfillment, fulfillment.lines[0].order_item_id)
    assert answer["is_refused"]


def test_the_row_and_the_list_lead_to_the_screen(operator, started):
    client = operator()
    change = reverse("admin:fulfillment_fulfillment_change", args=[started.id])
    (button,) = [b for b in client.get(change).context["actions_detail"] if b["title"] == "Pick"]
    assert button["path"] == screen(started)
    listed = client.get(CHANGELIST, {"queue": "to-pick"}).content.decode()
    assert f'href="{screen(started)}"' in listed
    pick_all(started)
    assert f'href="{screen(started)}"' not in client.get(CHANGELIST).content.decode()


def test_who_may_only_look_picks_nothing(operator, started):
    client = operator("fulfillment.view_fulfillment")
    assert client.get(screen(started)).status_code == 403
    sent = {"code": "var_mug", "scan_id": "scan_1"}
    assert client.post(screen(started), sent).status_code == 403
    assert counts(started) == [(0, 0), (0, 0)]


def test_who_is_nobody_is_asked_to_log_in(client, started):
    answer = client.post(screen(started), {"code": "var_mug", "scan_id": "scan_1"})
    assert (answer.status_code, "/admin/login/" in answer.url) == (302, True)


def test_what_is_not_there_is_said(operator):
    url = reverse("admin:fulfillment_fulfillment_pick", args=["ful_0"])
    assert "doesn’t exist" in operator().get(url, follow=True).content.decode()
