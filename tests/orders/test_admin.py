"""The admin pages of orders."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from orders import selectors
from orders.models import Order, Policy
from orders.services import lifecycle
from tests.factories import LineFactory, OrderFactory, cancel, order_of, ship, write_off
from tests.log import event_data, event_names, latest_number

pytestmark = pytest.mark.django_db


def page(order):
    return reverse("admin:orders_order_change", args=[order.id])


def command(order, name):
    return reverse("admin:orders_order_command", args=[order.id, name])


def buttons(client, order):
    return [button["title"] for button in client.get(page(order)).context["actions_detail"]]


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        ("pending", ["Correct order", "Edit lines", "Place order", "Cancel order", "Hold order"]),
        (
            "placed",
            ["Correct order", "Edit lines", "Record reservation", "Cancel order", "Hold order"],
        ),
        (
            "confirmed",
            [
                "Correct order",
                "Edit lines",
                "Record reservation",
                "Cancel order",
                "Hold order",
                "Write off units",
            ],
        ),
        (
            "processing",
            [
                "Correct order",
                "Edit lines",
                "Cancel order",
                "Record reservation",
                "Hold order",
                "Write off units",
            ],
        ),
        ("shipped", []),
        ("delivered", ["Erase customer"]),
        ("cancelled", ["Erase customer"]),
    ],
)
def test_allowed_transitions_are_buttons(operator, status, offered):
    shown = buttons(operator(), OrderFactory(status=status))
    assert shown == [*offered, "Export customer"]


def test_written_off_units_stay_in_the_queue_until_they_are_released(operator):
    client, order = operator(), order_of(3)
    write_off(order, 0, 1)
    listed = client.get(reverse("admin:orders_order_changelist"), {"queue": "unreleased"})
    assert [row.pk for row in listed.context["cl"].result_list] == [order.id]
    assert "Release stock" in buttons(client, order)
    assert client.post(command(order, "release-units")).status_code == 302
    assert "Release stock" not in buttons(client, order)
    assert selectors.unreleased_write_offs(order) == []


def test_an_operator_cancels_an_order(operator):
    client, order = operator(username="olga"), OrderFactory()
    form = client.get(command(order, "cancel"))
    assert "Inventory releases its stock" in form.content.decode()
    missing = client.post(command(order, "cancel"), {"reason": ""})
    assert missing.context["form"].errors == {"reason": ["This field is required."]}
    sent = client.post(command(order, "cancel"), {"reason": "fraud"}, follow=True)
    assert f"Order {order.number} was cancelled." in sent.content.decode()
    told_of = event_data(order, "order.cancelled")
    assert (told_of["cancelled_by"], told_of["cancellation_reason"]) == ("olga", "fraud")


def test_a_late_command_is_refused_with_the_reason(operator):
    client, order = operator(), OrderFactory(status="processing")
    form = client.get(command(order, "cancel"))
    assert form.status_code == 200
    ship(order)
    before = latest_number()
    late = client.post(command(order, "cancel"), {"reason": "operator"})
    assert f"`cancel` is not possible for {order.id}: it is shipped" in late.content.decode()
    assert event_names(order, after=before) == []


def test_a_repeated_command_has_one_effect(operator):
    client, order = operator(), OrderFactory()
    for _ in range(2):
        sent = client.post(command(order, "cancel"), {"reason": "fraud"})
        assert sent.status_code == 302
    assert event_names(order).count("order.cancelled") == 1


def test_a_form_that_is_sent_twice_runs_once(operator):
    client, order = operator(), order_of(5)
    key = client.get(command(order, "write-off")).context["key"]
    sent = {
        "key": key,
        "reason": "out_of_stock",
        "items[0].order_item_id": order.lines[0].id,
        "items[0].quantity": "9",
    }
    refused = client.post(command(order, "write-off"), sent)
    assert refused.context["key"] == str(key), "a refused form keeps its key"
    for _ in range(2):
        again = client.post(command(order, "write-off"), sent | {"items[0].quantity": "1"})
        assert again.status_code == 302
    assert selectors.get(order.id).lines[0].cancelled == 1
    other = client.post(command(order, "write-off"), sent | {"items[0].quantity": "2"})
    assert "already submitted with other values" in other.content.decode()
    new = {"key": client.get(command(order, "write-off")).context["key"]}
    client.post(command(order, "write-off"), sent | new | {"items[0].quantity": "1"})
    assert selectors.get(order.id).lines[0].cancelled == 2


@pytest.mark.parametrize("key", ["", "k" * 256, "k\x00"])
def test_a_form_without_a_valid_key_is_refused(operator, key):
    client, order = operator(), OrderFactory()
    response = client.post(command(order, "cancel"), {"reason": "fraud", "key": key})
    assert "reload it" in response.content.decode()
    assert Order.objects.get(pk=order.id).status == "placed"


def test_a_refused_form_keeps_its_number_of_rows(operator):
    client, order = operator(), order_of(3)
    for _ in range(3):
        sent = {f"items[{n}].quantity": "" for n in range(3)}
        response = client.post(command(order, "write-off"), sent | {"reason": "other"})
        assert "Lines: " in response.content.decode(), "the list is named"
        assert "items[2].quantity" in response.context["form"].fields
        assert "items[3].quantity" not in response.context["form"].fields


def test_rows_filled_in_before_the_order_changed_are_kept(operator):
    client, order = operator(), order_of(1, 1, 1, 1, 1)
    sent = {"reason": "out_of_stock"}
    for n, line in enumerate(order.lines):
        sent |= {f"items[{n}].order_item_id": line.id, f"items[{n}].quantity": "1"}
    ship(order, units={line.id: 1 for line in order.lines[1:]})
    late = client.post(command(order, "write-off"), sent)
    assert "available: 0; requested: 1" in late.content.decode()
    assert [line.cancelled for line in selectors.get(order.id).lines] == [0] * 5


def test_units_are_written_off_line_by_line(operator):
    client, order = operator(), order_of(3, 2)
    start = client.get(command(order, "write-off")).context["form"]
    assert [
        start.get_initial_for_field(
            start.fields[f"items[{n}].order_item_id"], f"items[{n}].order_item_id"
        )
        for n in (0, 1)
    ] == [line.id for line in order.lines]
    sent = {
        "reason": "out_of_stock",
        "items[0].order_item_id": order.lines[0].id,  # a line without a quantity is left out
        "items[1].order_item_id": order.lines[1].id,
        "items[1].quantity": "1",
    }
    too_many = client.post(command(order, "write-off"), sent | {"items[1].quantity": "3"})
    assert "available: 2; requested: 3" in too_many.content.decode()
    wrong = client.post(command(order, "write-off"), sent | {"items[1].quantity": "x"})
    assert wrong.context["form"].errors == {"items[1].quantity": ["A valid integer is required."]}
    nothing = client.post(command(order, "write-off"), sent | {"items[1].quantity": ""})
    assert nothing.status_code == 200
    assert client.post(command(order, "write-off"), sent).status_code == 302
    assert [line.cancelled for line in selectors.get(order.id).lines] == [0, 1]


def test_a_reservation_form_starts_with_the_known_allocation(operator):
    client, order = operator(), order_of(3, status="placed")
    line = order.lines[0].id
    sent = {
        "reservation_id": "res_1",
        "allocations[0].order_item_id": line,
        "allocations[0].warehouse_id": "wh_1",
        "allocations[0].quantity": "2",
        "allocations[2].order_item_id": line,
        "allocations[2].warehouse_id": "wh_2",
        "allocations[2].quantity": "1",
    }
    assert client.post(command(order, "reservation"), sent).status_code == 302
    allocated = selectors.get(order.id).lines[0].allocated
    assert [(a.warehouse_id, a.quantity) for a in allocated] == [("wh_1", 2), ("wh_2", 1)]
    form = client.get(command(order, "reservation")).context["form"]
    assert form["allocations[1].warehouse_id"].value() == "wh_2"


def test_backordered_orders_have_a_queue_and_a_form_for_the_missing_units(operator):
    Policy.objects.create(organization_id="org_1", reservation="backorder")
    client, order = operator(), order_of(3, 1, status="placed")
    sent = {
        "reservation_id": "res_1",
        "allocations[0].order_item_id": order.lines[0].id,
        "allocations[0].warehouse_id": "wh_1",
        "allocations[0].quantity": "3",
    }
    assert client.post(command(order, "reservation"), sent).status_code == 302
    form = client.get(command(order, "reservation")).context["form"]
    assert form["reservation_id"].value() is None
    sent = {
        "reservation_id": "res_2",
        **{
            f"allocations[0].{name}": form[f"allocations[0].{name}"].value()
            for name in ("order_item_id", "warehouse_id", "quantity")
        },
    }
    assert sent["allocations[0].order_item_id"] == order.lines[1].id
    queue = reverse("admin:orders_order_changelist") + "?queue=backordered"
    assert order.number in client.get(queue).content.decode()
    assert client.post(command(order, "reservation"), sent).status_code == 302
    assert not Order.objects.filter(selectors.WITH_BACKORDERED_UNITS).exists()


def test_a_rejected_reservation_cancels_the_order(operator):
    client, order = operator(), OrderFactory()
    both = {
        "rejected": "on",
        "reason": "sold out",
        "allocations[0].order_item_id": order.lines[0].id,
        "allocations[0].warehouse_id": "wh_1",
        "allocations[0].quantity": "2",
    }
    refused = client.post(command(order, "reservation"), both)
    assert "A rejection cannot have allocations." in refused.content.decode()
    assert client.post(command(order, "reservation"), {"rejected": "on"}).status_code == 302
    assert Order.objects.get(pk=order.id).cancellation_reason == "out_of_stock"


def test_an_order_in_processing_cannot_be_reserved(operator):
    order = OrderFactory(status="processing")
    sent = {
        "reservation_id": "res_1",
        "allocations[0].order_item_id": order.lines[0].id,
        "allocations[0].warehouse_id": "wh_1",
        "allocations[0].quantity": "2",
    }
    late = operator().post(command(order, "reservation"), sent)
    refused = f"`reservation` is not possible for {order.id}: it is processing."
    assert refused in late.content.decode()


def test_a_hold_shows_who_and_why_and_is_released(operator):
    client, order = operator(), OrderFactory()
    note = "Two cards, <three> names"
    client.post(command(order, "hold"), {"reason": "fraud", "note": note})
    shown = client.get(page(order)).content.decode()
    assert "Two cards, &lt;three&gt; names" in shown
    assert "olga" in shown
    listed = client.get(reverse("admin:orders_order_changelist"), {"queue": "held"})
    assert [row.pk for row in listed.context["cl"].result_list] == [order.id]
    cancelled = OrderFactory()
    lifecycle.hold_order(order_id=cancelled.id, reason="fraud")
    cancel(cancelled)
    listed = client.get(reverse("admin:orders_order_changelist"), {"queue": "held"})
    assert [row.pk for row in listed.context["cl"].result_list] == [order.id], (
        "a cancelled order leaves the queue"
    )
    client.post(command(order, "release"))
    assert Order.objects.get(pk=order.id).held_at is None


@pytest.mark.parametrize("by", ["number", "id", "customer_id", "customer_email"])
def test_an_order_is_found_by_number_id_customer_or_email(operator, by):
    expected = OrderFactory(customer_id="cust_9", customer_email="ana@example.com")
    OrderFactory()
    found = operator().get(reverse("admin:orders_order_changelist"), {"q": getattr(expected, by)})
    assert [row.pk for row in found.context["cl"].result_list] == [expected.id]


def test_orders_are_filtered_by_the_day_of_creation(operator):
    client, order = operator(), OrderFactory()

    def listed(**days):
        bounds = {f"created_at__{bound}": f"{day} 00:00:00+00:00" for bound, day in days.items()}
        found = client.get(reverse("admin:orders_order_changelist"), bounds)
        return [row.pk for row in found.context["cl"].result_list]

    today = order.created_at.date()
    tomorrow = today + timedelta(days=1)
    assert listed(gte=today, lt=tomorrow) == [order.id]
    assert listed(gte=tomorrow, lt=tomorrow + timedelta(days=1)) == listed(lt=today) == []


def test_the_page_shows_lines_with_their_quantities_and_the_timeline(operator):
    order = order_of(3, 2, status="processing")
    ship(order, units={order.lines[0].id: 2})
    write_off(order, 1, 1)
    lifecycle.hold_order(order_id=order.id, reason="address")
    response = operator().get(page(order))
    entries = response.context["timeline"]
    assert [entry.event.name for entry in entries] == list(reversed(event_names(order)))
    shipped = next(entry for entry in entries if entry.title == "Shipment left the warehouse")
    assert ("Shipped items", "2 × var_0 · wh_101") in shipped.details
    assert (shipped.state, shipped.event.sequence) == ("pending", 7)
    text = response.content.decode()
    for word in ("Shipment left the warehouse", "25.00 USD", "2 × var_1"):
        assert word in text


def test_a_cancelled_order_shows_its_cancellation(operator):
    order = OrderFactory()
    cancel(order)
    text = operator().get(page(order)).content.decode()
    assert "Cancellation" in text
    assert "Customer request" in text


def test_the_page_shows_prices_discounts_and_taxes(operator):
    def tax(name, rate):
        return {"name": name, "rate": rate, "exemption": None, "note": None}

    taxes = [tax("GST", "0.05"), tax("QST", "0.09975")]
    line = LineFactory(taxes=taxes, tax_rate=Decimal("0.14975"), unit_price=Decimal("0.495"))
    order = OrderFactory(
        items=[
            {**line, "quantity": 100, "discount": {"amount": Decimal("4.50"), "code": "SPRING"}}
        ],
        shipping={"cost": Decimal(5), "discount": {"amount": Decimal(5), "code": "FREE"}},
        discount={"amount": Decimal(3), "reason": "loyalty"},
    )
    shown = operator().get(page(order)).content.decode()
    for text in (
        "0.495 USD",
        "4.5 SPRING",
        "5 FREE",
        "3 loyalty",
        "GST 5 % 2.10",
        "QST 9.975 % 4.19",
    ):
        assert text in shown


def test_a_policy_applies_to_new_orders(operator):
    sent = {"organization_id": "org_1", "reservation_ttl_minutes": "45", "reservation": "optional"}
    sent |= {"tax_inclusive": "on", "tax_rounding": "rate"}
    url, client = reverse("admin:orders_policy_add"), operator()
    wrong = client.post(url, sent | {"time_zone": "Europe/Madird"})
    assert "Unknown time zone. Example: Europe/Madrid." in wrong.content.decode()
    client.post(url, sent | {"time_zone": "Europe/Madrid"})
    order = OrderFactory()
    assert event_data(order, "order.placed")["reservation_ttl_minutes"] == 45
    assert (order.tax_inclusive, order.tax_rounding) == (True, "rate")
    assert order.time_zone == "Europe/Madrid"
    Policy.objects.update(reservation_ttl_minutes=None)
    assert event_data(OrderFactory(), "order.placed")["reservation_ttl_minutes"] == 15


def test_an_operator_edits_lines_once_the_total_is_right(operator):
    client, order = operator(), OrderFactory()
    url = command(order, "edit")
    shown = client.get(url).context["form"]
    sent = {name: shown[name].value() or "" for name in shown.fields}
    sent |= {"items[0].quantity": "3"}
    told = client.post(url, sent).content.decode()
    assert "The total is 75.00 USD, not 50" in told
    assert Order.objects.count() == 1
    assert client.post(url, sent | {"expected_total": "75.00"}).status_code == 302
    edited = Order.objects.get(replaces=order)
    assert (edited.total, edited.lines[0].quantity) == (75, 3)
    assert edited.number in client.get(page(order)).content.decode()


def test_an_operator_corrects_an_address(operator):
    client, order = operator(), OrderFactory()
    url = command(order, "correct")
    shown = client.get(url).context["form"]
    sent = {name: shown[name].value() or "" for name in shown.fields}
    assert client.post(url, sent | {"shipping_address.line1": "2 Main Street"}).status_code == 302
    assert Order.objects.get(pk=order.pk).shipping_address["line1"] == "2 Main Street"
