"""The admin pages of carts."""

import pytest
from django.urls import reverse

from carts import selectors
from carts.models import Cart
from orders.models import Order
from tests.factories import CartFactory, LineFactory, OrderFactory
from tests.log import event_names

pytestmark = pytest.mark.django_db


def command(cart, name):
    return reverse("admin:carts_cart_command", args=[cart.id, name])


def lines(cart):
    cart = selectors.with_lines().get(pk=cart.id)
    return {line.variant_id: line.quantity for line in cart.lines}


def test_allowed_transitions_are_buttons(operator):
    page = operator().get(reverse("admin:carts_cart_change", args=[CartFactory().id]))
    titles = [button["title"] for button in page.context["actions_detail"]]
    commands = ["Add item", "Change item", "Remove item", "Merge cart", "Check out"]
    assert titles == [*commands, "Erase customer", "Export customer"]
    empty = CartFactory(lines=[])
    page = operator(username="other").get(reverse("admin:carts_cart_change", args=[empty.id]))
    assert "Check out" not in [button["title"] for button in page.context["actions_detail"]]


def test_lines_are_added_changed_and_removed(operator):
    client = operator()
    cart = CartFactory(lines=[LineFactory(variant_id="var_1"), LineFactory(variant_id="var_2")])
    new = {"variant_id": "var_3", "title": "A mug", "quantity": "4", "unit_price": "12.50"}
    assert client.post(command(cart, "add-item"), new).status_code == 302
    first, second, _ = selectors.with_lines().get(pk=cart.id).lines
    change = {"item_id": first.id, "quantity": "7"}
    assert client.post(command(cart, "change-item"), change).status_code == 302
    assert client.post(command(cart, "remove-item"), {"item_id": second.id}).status_code == 302
    assert lines(cart) == {"var_1": 7, "var_3": 4}


def test_taxes_and_discounts_are_entered_and_shown(operator):
    client, cart = operator(), CartFactory(lines=[], tax_inclusive=True)
    new = {
        "variant_id": "var_1",
        "title": "Diesel",
        "quantity": "40",
        "unit_price": "0.495",
        "taxes[0].name": "GST",
        "taxes[0].rate": "0.05",
        "taxes[1].name": "QST",
        "taxes[1].rate": "0.09975",
        "discount.amount": "2.50",
        "discount.code": "SPRING",
    }
    form = client.get(command(cart, "add-item")).context["form"]
    assert form["taxes[0].rate"].label == "Tax rate"
    assert client.post(command(cart, "add-item"), new).status_code == 302
    page = client.get(reverse("admin:carts_cart_change", args=[cart.id])).content.decode()
    for shown in ("0.495 USD", "2.50 USD", "SPRING", "GST 5 %", "QST 9.975 %"):
        assert shown in page
    untaxed = {"tax_rate": "", "tax_exemption": "export", "tax_note": "Art. 146"}
    plain = {name: value for name, value in new.items() if "." not in name}
    assert client.post(command(cart, "add-item"), plain | untaxed).status_code == 302
    page = client.get(reverse("admin:carts_cart_change", args=[cart.id])).content.decode()
    assert "0 % Export Art. 146" in page


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"unit_price": "12345678901.123456"}, None),  # refused by the service
        ({"unit_price": "-1"}, "unit_price"),
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "1.5"}, "quantity"),
        ({"title": ""}, "title"),
    ],
)
def test_an_invalid_line_is_refused_at_its_field(operator, wrong, field):
    client, cart = operator(), CartFactory(lines=[])
    new = {"variant_id": "var_3", "title": "A mug", "quantity": "4", "unit_price": "12.50"}
    response = client.post(command(cart, "add-item"), new | wrong)
    assert list(response.context["form"].errors) == [field or "__all__"]
    assert lines(cart) == {}


def test_a_guest_cart_is_merged_within_its_organization(operator):
    client = operator()
    guest = CartFactory(customer_id=None, session_id="sess_1")
    own, foreign = CartFactory(), CartFactory(organization_id="org_2")
    refused = client.post(command(guest, "merge"), {"into": foreign.id})
    assert refused.context["form"].errors == {"into": [f"There is no cart {foreign.id}."]}
    assert client.post(command(guest, "merge"), {"into": own.id}).status_code == 302
    assert Cart.objects.get(pk=guest.id).merged_into_id == own.id


def test_an_operator_checks_out_a_cart(operator):
    client, cart = operator(), CartFactory(locale="es-MX")
    form = client.get(command(cart, "checkout")).context["form"]
    assert form["locale"].initial == "es-MX"
    nowhere = client.post(command(cart, "checkout"), {})
    assert "shipping_address is required" in nowhere.content.decode()
    half = client.post(command(cart, "checkout"), {"shipping_address.name": "Ana"})
    assert "shipping_address.city" in half.context["form"].errors
    address = {"name": "Ana", "line1": "Calle 1", "city": "Puebla", "country": "MX"}
    sent = {f"shipping_address.{part}": text for part, text in address.items()}
    assert (
        client.post(command(cart, "checkout"), sent | {"shipping.cost": "9.90"}).status_code == 302
    )
    order = Order.objects.get(cart_id=cart.id)
    assert (order.status, order.shipping_address, str(order.shipping_cost)) == (
        "placed",
        address,
        "9.9000",
    )
    assert event_names(cart)[-1] == "cart.converted"


NOTES = {
    "metadata": {"engraving": "Zoë: always"},
    "external_reference": "web 4711",
    "customer_note": "Ring twice.",
    "internal_note": "A regular.",
}


def search(client, model, text):
    listed = client.get(reverse(f"admin:{model}_changelist"), {"q": text})
    return [row.pk for row in listed.context["cl"].result_list]


def test_what_clients_store_is_shown_and_entered(operator):
    cart, client = CartFactory(purchase_order_number="PO 7", lines=[], **NOTES), operator()
    new = {"variant_id": "var_3", "title": "A ring", "quantity": "4", "unit_price": "12.50"}
    texts = {name: f"{text} too" for name, text in NOTES.items() if name != "metadata"}
    entered = {"metadata": "engraving: Ana: forever\r\n\r\nbox:red", **texts}
    form = client.get(command(cart, "add-item")).context["form"]
    assert form["internal_note"].label == "Internal note"
    assert client.post(command(cart, "add-item"), new | entered).status_code == 302
    (line,) = selectors.with_lines().get(pk=cart.id).lines
    assert line.metadata == {"engraving": "Ana: forever", "box": "red"}
    checkout = client.get(command(cart, "checkout")).context["form"]
    assert checkout["metadata"].initial == "engraving: Zoë: always"
    assert checkout["internal_note"].initial == "A regular."
    address = {"name": "Ana", "line1": "Calle 1", "city": "Puebla", "country": "MX"}
    sent = {f"shipping_address.{part}": text for part, text in address.items()}
    sent["metadata"] = checkout["metadata"].initial
    assert client.post(command(cart, "checkout"), sent).status_code == 302
    order = Order.objects.get()
    assert {name: getattr(order, name) for name in NOTES} == NOTES
    for url in (
        reverse("admin:carts_cart_change", args=[cart.id]),
        reverse("admin:orders_order_change", args=[order.id]),
    ):
        page = client.get(url).content.decode()
        for text in ("engraving: Zoë: always", "PO 7", "web 4711", "Ring twice.", "A regular."):
            assert text in page
        for text in ("engraving: Ana: forever", "Internal note: A regular. too"):
            assert text in page


def test_an_entry_that_is_too_long_is_refused_at_its_field(operator):
    client, cart = operator(), CartFactory(lines=[])
    new = {"variant_id": "var_3", "title": "A ring", "quantity": "4", "unit_price": "12.50"}
    refused = client.post(command(cart, "add-item"), new | {"metadata": f"text: {'x' * 501}"})
    assert list(refused.context["form"].errors) == ["metadata"]
    assert "x" * 501 in refused.content.decode()


@pytest.mark.parametrize("text", ["web-4711", "PO-7", "line-1", "engraving:Ana", "gift:a:b"])
def test_carts_and_orders_are_found_by_references_and_metadata(operator, text):
    client = operator("carts.view_cart", "orders.view_order")
    given = {"purchase_order_number": "PO-7", "external_reference": "web-4711"}
    given["metadata"] = {"engraving": "Ana", "gift": "a:b"}
    lines = [LineFactory(external_reference="line-1"), LineFactory(external_reference="line-1")]
    cart = CartFactory(lines=lines, **given)
    order = OrderFactory(items=lines, **given)
    foreign = {"organization_id": "org_2", "lines": lines, **given}
    CartFactory(), OrderFactory(), CartFactory(**foreign)
    assert search(client, "carts_cart", text) == [cart.pk]
    assert search(client, "orders_order", text) == [order.pk]
    assert search(client, "orders_order", f"{text}x") == []
