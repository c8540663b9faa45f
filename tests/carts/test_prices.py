"""What prices, taxes and discounts of a cart mean, over REST."""

import pytest

from carts.models import Cart
from orders.models import Policy
from tests.factories import ADDRESS

pytestmark = pytest.mark.django_db

LINE = {"variant_id": "var_1", "title": "A shirt", "quantity": 2, "unit_price": "25.00"}
GST_QST = [{"name": "GST", "rate": "0.05"}, {"name": "QST", "rate": "0.09975"}]


def open_cart(api, *lines, **given):
    body = {"customer_id": "cust_1", "currency": "EUR", **given}
    cart = api.post("/api/v1/carts", body).json()
    for line in lines:
        cart = add(api, cart, line).json()
    return cart


def add(api, cart, line):
    return api.post(f"/api/v1/carts/{cart['id']}/items", line)


def change(api, cart, **body):
    path = f"/api/v1/carts/{cart['id']}/items/{cart['items'][0]['id']}"
    return api.patch(path, body, content_type="application/json")


def check_out(api, cart, **terms):
    body = {"shipping_address": ADDRESS, **terms}
    path = f"/api/v1/carts/{cart['id']}/checkout"
    return api.post(path, body, headers={"Idempotency-Key": "key"})


@pytest.mark.parametrize(
    ("policy", "given", "expected"),
    [
        (None, {}, False),
        (True, {}, True),
        (True, {"tax_inclusive": None}, True),
        (True, {"tax_inclusive": False}, False),
        (False, {"tax_inclusive": True}, True),
    ],
)
def test_a_cart_says_whether_its_prices_include_tax_and_its_order_is_the_same(
    api, policy, given, expected
):
    if policy is not None:
        Policy.objects.create(organization_id="org_1", tax_inclusive=policy, tax_rounding="rate")
    cart = open_cart(api, {**LINE, "tax_rate": "0.19"}, **given)
    assert cart["tax_inclusive"] is expected
    Policy.objects.update(tax_inclusive=not policy)  # a later change is for new carts
    order = check_out(api, cart).json()
    assert order["tax_inclusive"] is expected
    assert order["total"] == ("50.00" if expected else "59.50")
    assert order["tax_rounding"] == ("line" if policy is None else "rate")
    Policy.objects.update(tax_rounding="line")
    shown = api.get(f"/api/v1/orders/{order['id']}").json()
    assert shown["tax_rounding"] == order["tax_rounding"]


def test_carts_whose_prices_differ_in_tax_are_not_merged(api):
    guest = open_cart(api, LINE, customer_id=None, session_id="sess_1")
    into = open_cart(api, tax_inclusive=True)
    refused = api.post(f"/api/v1/carts/{guest['id']}/merge", {"into": into["id"]})
    assert (refused.status_code, refused.json()["code"]) == (422, "cannot_merge")
    assert refused.json()["detail"] == (
        f"The prices in {into['id']} include tax, and those in {guest['id']} do not."
    )
    assert Cart.objects.get(pk=guest["id"]).status == "active"


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"tax_rate": "0.19"}, {"tax_rate": "0.19"}),
        ({"taxes": GST_QST}, {"tax_rate": "0.14975", "taxes": GST_QST}),
        (
            {"tax_exemption": "reverse_charge", "tax_note": "Art. 196"},
            {"tax_exemption": "reverse_charge", "tax_note": "Art. 196"},
        ),
        ({"tax_rate": "0", "tax_exemption": "export"}, {"tax_exemption": "export"}),
        ({"taxes": []}, {}),
    ],
)
def test_the_taxes_of_a_line_are_shown_as_they_are_given(api, fields, shown):
    (item,) = open_cart(api, {**LINE, **fields})["items"]
    none = {"tax_rate": "0", "taxes": [], "tax_exemption": None, "tax_note": None}
    assert {key: item[key] for key in none} == none | shown


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"tax_rate": "0.19", "taxes": GST_QST}, ""),
        ({"taxes": [*GST_QST, GST_QST[0]]}, "taxes"),
        ({"taxes": [{"name": "A", "rate": "0.6"}, {"name": "B", "rate": "0.6"}]}, "taxes"),
        ({"taxes": [{"name": f"T{n}", "rate": "0.01"} for n in range(6)]}, "taxes"),
        ({"taxes": [{"name": "", "rate": "0.1"}]}, "taxes[0].name"),
        ({"taxes": [{"name": "GST"}]}, "taxes[0].rate"),
        ({"tax_rate": "0.19", "tax_exemption": "export"}, "tax_exemption"),
        ({"taxes": GST_QST, "tax_exemption": "export"}, "tax_exemption"),
        ({"tax_exemption": "because"}, "tax_exemption"),
        ({"tax_note": "Art. 196"}, "tax_note"),
        ({"unit_price": "0.1234567"}, "unit_price"),
        ({"discount": {"amount": "-1"}}, "discount.amount"),
        ({"discount": {"code": "SPRING"}}, "discount.amount"),
    ],
)
def test_what_no_line_can_be_is_refused_with_its_field(api, fields, path):
    response = add(api, open_cart(api), {**LINE, **fields})
    assert response.status_code == 400
    assert list(response.json()["errors"]) == [path or "non_field_errors"]


def test_a_price_that_is_too_exact_is_refused_with_the_reason(api):
    response = add(api, open_cart(api), {**LINE, "unit_price": "12345678901.123456"})
    assert (response.status_code, response.json()["code"]) == (422, "price_too_exact")


class TestDiscounts:
    def test_units_share_a_line_if_their_discounts_are_for_the_same(self, api):
        spring = {"discount": {"amount": "2.00", "code": "SPRING"}}
        cart = open_cart(api, LINE, LINE | spring, LINE | spring, LINE)
        assert [(item["quantity"], item["discount"]) for item in cart["items"]] == [
            (4, {"amount": "0.00", "code": None, "reason": None}),
            (4, {"amount": "4.00", "code": "SPRING", "reason": None}),
        ]
        assert cart["value"] == "200.00"  # before discounts
        order = check_out(api, cart).json()
        assert [item["own_discount"]["amount"] for item in order["items"]] == ["0.00", "4.00"]
        assert (order["subtotal"], order["total"]) == ("196.00", "196.00")

    def test_a_merged_cart_keeps_the_discounts(self, api):
        spring = {**LINE, "discount": {"amount": "2.00", "code": "SPRING", "reason": "new"}}
        guest = open_cart(api, spring, customer_id=None, session_id="sess_1")
        into = open_cart(api, spring)
        merged = api.post(f"/api/v1/carts/{guest['id']}/merge", {"into": into["id"]}).json()
        assert [item["discount"]["amount"] for item in merged["items"]] == ["4.00"]

    def test_a_discount_changes_with_the_quantity_or_stays(self, api):
        cart = open_cart(api, {**LINE, "discount": {"amount": "2.00", "code": "SPRING"}})
        assert change(api, cart, quantity=3).json()["items"][0]["discount"]["amount"] == "2.00"
        changed = change(api, cart, quantity=3, discount={"amount": "9.00", "reason": "scratch"})
        (item,) = changed.json()["items"]
        assert item["discount"] == {"amount": "9.00", "code": None, "reason": "scratch"}
        removed = change(api, cart, quantity=3, discount={"amount": "0"})
        assert removed.json()["items"][0]["discount"]["amount"] == "0.00"

    @pytest.mark.parametrize("discount", [{"amount": "50.01"}, {"amount": "0.001"}])
    def test_a_discount_above_its_line_or_too_exact_is_refused(self, api, discount):
        cart = open_cart(api, LINE)
        codes = set()
        for refused in (
            add(api, cart, {**LINE, "discount": discount}),
            change(api, cart, quantity=2, discount=discount),
        ):
            assert refused.status_code == 422
            codes.add(refused.json()["code"])
        assert codes < {"discount_too_large", "inexact_amount"}
        assert len(api.get(f"/api/v1/carts/{cart['id']}").json()["items"]) == 1

    def test_fewer_units_than_the_discount_needs_are_refused(self, api):
        cart = open_cart(api, {**LINE, "discount": {"amount": "30.00", "code": "SPRING"}})
        refused = change(api, cart, quantity=1)
        assert (refused.status_code, refused.json()["code"]) == (422, "discount_too_large")
        assert "var_1 exceeds its amount of 25.00" in refused.json()["detail"]

    def test_shipping_is_free_with_a_voucher(self, api):
        cart = open_cart(api, LINE)
        free = {"cost": "5.00", "tax_rate": "0.19", "discount": {"amount": "5.00", "code": "FREE"}}
        order = check_out(api, cart, shipping=free).json()
        assert (order["shipping"]["cost"], order["shipping"]["total"]) == ("5.00", "0.00")
        assert order["shipping"]["discount"] == {"amount": "5.00", "code": "FREE", "reason": None}
        assert order["total"] == "50.00"


@pytest.mark.parametrize("field", ["tax_inclusive", "discount"])
def test_what_changes_the_meaning_of_a_price_needs_a_scope_of_its_own(caller, api, field):
    own = caller(scope="carts:fill")
    if field == "tax_inclusive":
        body = {"customer_id": "cust_1", "currency": "EUR", "tax_inclusive": True}
        refused = own.post("/api/v1/carts", body)
    else:
        refused = change(own, open_cart(api, LINE), quantity=2, discount={"amount": "1"})
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    assert "carts:price" in refused.json()["detail"]
