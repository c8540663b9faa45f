"""What the services of carts do beyond the table of the lifecycle."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from carts import selectors, services
from carts.exceptions import CannotMerge, CartItemNotFound, CartTooLarge
from carts.models import Cart, CartItem, Policy
from config.core.exceptions import AddressRequired
from config.core.money import PriceTooExact
from events.aggregate import InvalidTransition
from events.models import EventRecord
from orders.models import Order
from tests.factories import ADDRESS, CartFactory, LineFactory
from tests.log import event_data, event_names, latest_number

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
SHIRT = {"variant_id": "var_1", "title": "A shirt", "preferred_warehouse_id": "wh_1"}
GST = [{"name": "GST", "rate": "0", "exemption": None, "note": None}]
OTHERS = [
    {"title": "A red shirt"},
    {"preferred_warehouse_id": "wh_2"},
    {"preferred_warehouse_id": None},
    {"unit_price": Decimal("24.99")},
    {"tax_rate": Decimal("0.2")},
    {"taxes": GST},
]


def add(cart, **line):
    return services.add_item(cart_id=cart.id, **LineFactory(**line))


def check_out(cart, **terms):
    return services.check_out(cart_id=cart.id, **{"shipping_address": ADDRESS, **terms})


class TestLines:
    def test_a_cart_needs_a_customer_or_a_session(self):
        cart = CartFactory(customer_id=None, session_id="sess_456", lines=[])
        assert event_data(cart, "cart.created") == {
            "cart_id": cart.id,
            "customer_id": None,
            "session_id": "sess_456",
            "organization_id": "org_1",
        }
        with pytest.raises(IntegrityError), transaction.atomic():
            CartFactory(customer_id=None)

    def test_units_of_one_variant_at_one_price_share_a_line(self):
        cart = CartFactory(lines=[LineFactory(variant_id="var_1", quantity=2)])
        add(cart, variant_id="var_1", quantity=3)
        cart = add(cart, variant_id="var_1", quantity=1, unit_price=Decimal("24.00"))
        assert [(i.quantity, i.unit_price) for i in cart.lines] == [(5, 25), (1, 24)]
        added = event_data(cart, "cart.item_added")
        assert (added["quantity"], added["unit_price"]) == (1, "24.00")

    @pytest.mark.parametrize("other", OTHERS, ids=lambda other: next(iter(other)))
    def test_units_that_differ_in_anything_have_lines_of_their_own(self, other):
        cart = CartFactory(lines=[LineFactory(**SHIRT)])
        lines = [LineFactory(**SHIRT | each) for each in ({}, other, other)]
        for line in lines:
            cart = services.add_item(cart_id=cart.id, **line)
        assert [item.quantity for item in cart.lines] == [4, 4]
        guest = CartFactory(customer_id=None, session_id="sess_1", lines=lines)
        merged = services.merge_cart(cart_id=guest.id, into=cart.id)
        assert [item.quantity for item in merged.lines] == [6, 8]
        for name, value in other.items():
            assert [getattr(item, name) for item in merged.lines][1] == value

    def test_changing_or_removing_a_line_is_activity_and_publishes_nothing(self):
        cart = CartFactory()
        idle_since, before = cart.last_activity_at, latest_number()
        item = cart.lines[0]
        cart = services.change_item(cart_id=cart.id, item_id=item.id, quantity=7)
        assert (cart.items_count, cart.value) == (7, 175)
        assert cart.last_activity_at > idle_since
        cart = services.remove_item(cart_id=cart.id, item_id=item.id)
        assert cart.lines == []
        assert event_names(cart, after=before) == ["cart.item_changed"] * 2
        with pytest.raises(CartItemNotFound):
            services.remove_item(cart_id=cart.id, item_id=item.id)

    def test_setting_the_current_quantity_records_nothing(self):
        cart = CartFactory()
        before = latest_number()
        services.change_item(cart_id=cart.id, item_id=cart.lines[0].id, quantity=2)
        assert event_names(cart, after=before) == []

    def test_a_line_holds_a_million_units_and_a_cart_500_lines(self):
        cart = CartFactory(lines=[LineFactory(variant_id="var_1", quantity=1_000_000)])
        with pytest.raises(CartTooLarge, match="1,000,000 units; 1,000,001 were requested"):
            add(cart, variant_id="var_1", quantity=1)
        CartItem.objects.bulk_create(
            CartItem(cart=cart, position=n, **LineFactory()) for n in range(2, 501)
        )
        with pytest.raises(CartTooLarge):
            add(cart)

    @pytest.mark.parametrize("price", ["0.1234567", "12345678901.12345"])
    def test_a_price_that_cannot_be_stored_exactly_is_refused(self, price):
        with pytest.raises(PriceTooExact, match="6 decimals and 15 digits"):
            add(CartFactory(lines=[]), unit_price=Decimal(price))

    @pytest.mark.parametrize(
        ("currency", "price", "quantity", "sent", "value"),
        [
            ("EUR", "0.495", 3, "0.495", "1.49"),
            ("EUR", "0.5", 3, "0.50", "1.50"),
            ("JPY", "0.5", 3, "0.5", "2"),
            ("KWD", "1.2", 1, "1.200", "1.200"),
            ("EUR", "123456789.123456", 1, "123456789.123456", "123456789.12"),
        ],
    )
    def test_a_unit_price_has_as_many_decimals_as_it_needs(
        self, currency, price, quantity, sent, value
    ):
        line = LineFactory(unit_price=Decimal(price), quantity=quantity)
        cart = CartFactory(currency=currency, lines=[line])
        body = EventRecord.objects.get(stream=cart.id, name="cart.item_added").body
        assert f'"unit_price":{sent}}}' in body
        assert str(cart.value) == value
        (summary,) = selectors.with_value()
        assert (summary.units, summary.amount) == (quantity, Decimal(value))


class TestMerging:
    def guest(self, **fields):
        return CartFactory(customer_id=None, session_id="sess_1", **fields)

    def test_merging_adds_up_quantities(self):
        line = LineFactory(variant_id="var_1", quantity=2)
        guest, cart = self.guest(lines=[line, LineFactory()]), CartFactory(lines=[line])
        before = latest_number()
        cart = services.merge_cart(cart_id=guest.id, into=cart.id)
        assert [item.quantity for item in cart.lines] == [4, 2]
        guest.refresh_from_db()
        assert (guest.status, guest.merged_into_id) == ("merged", cart.id)
        assert event_names(guest, after=before) == ["cart.merged"]
        assert event_names(cart, after=before) == ["cart.items_absorbed"]

    def test_merging_again_adds_nothing(self):
        guest, cart = self.guest(), CartFactory(lines=[])
        for _ in range(2):
            merged = services.merge_cart(cart_id=guest.id, into=cart.id)
        assert merged.items_count == 2
        with pytest.raises(InvalidTransition):
            services.merge_cart(cart_id=guest.id, into=CartFactory().id)

    @pytest.mark.parametrize(("own", "merged"), [(None, "es"), ("en", "en")])
    def test_a_cart_without_a_language_takes_that_of_the_guest(self, own, merged):
        guest, cart = self.guest(locale="es"), CartFactory(locale=own)
        assert services.merge_cart(cart_id=guest.id, into=cart.id).locale == merged

    def test_carts_of_different_owners_or_currencies_cannot_be_merged(self):
        guest = self.guest()
        for cart in (
            guest,
            self.guest(),
            CartFactory(currency="EUR"),
            CartFactory(organization_id="org_2"),
        ):
            with pytest.raises(CannotMerge), transaction.atomic():
                services.merge_cart(cart_id=guest.id, into=cart.id)
        with pytest.raises(CannotMerge), transaction.atomic():
            services.merge_cart(cart_id=CartFactory(customer_id="other").id, into=CartFactory().id)
        guest.refresh_from_db()
        assert guest.status == "active"


class TestCheckout:
    def test_checkout_places_an_order(self):
        cart = CartFactory(local_id="local_101")
        order, is_new = check_out(cart, customer_email="juan@example.com")
        assert (is_new, order.status, order.cart_id) == (True, "placed", cart.id)
        assert (order.local_id, order.customer_id, order.total) == ("local_101", "cust_789", 50)
        assert event_names(order) == ["order.created", "order.placed"]
        converted = event_data(cart, "cart.converted")
        assert (converted["order_id"], converted["cart_value"]) == (order.id, "50.00")

    def test_a_repeated_checkout_returns_the_same_order(self):
        cart = CartFactory()
        order, _ = check_out(cart)
        assert check_out(cart) == (order, False)
        assert Order.objects.count() == 1

    def test_checkout_needs_items_and_an_address(self):
        with pytest.raises(InvalidTransition, match="at least one item"):
            check_out(CartFactory(lines=[]))
        with pytest.raises(AddressRequired):
            check_out(CartFactory(), shipping_address=None)

    def test_an_order_collected_in_a_shop_needs_no_address(self):
        assert check_out(CartFactory(local_id="local_101"), shipping_address=None)[1]


class TestTimers:
    def idle(self, cart):
        return cart.last_activity_at + DAY

    def abandon(self, now):
        return services.abandon_idle_carts(now=now, organization_id="org_1")

    def test_an_idle_cart_is_abandoned_once_per_idle_period(self):
        cart = CartFactory()
        now = self.idle(cart)
        assert self.abandon(now - timedelta(seconds=1)) == 0
        assert [self.abandon(now), self.abandon(now)] == [1, 0]
        abandoned = event_data(cart, "cart.abandoned")
        assert abandoned["abandoned_at"] == f"{now:%Y-%m-%dT%H:%M:%SZ}"
        assert (abandoned["items_count"], abandoned["total_value"]) == (2, "50.00")
        cart = add(cart)
        assert (cart.status, cart.abandoned_at) == ("active", None)
        assert self.abandon(self.idle(cart)) == 1
        assert event_names(cart).count("cart.abandoned") == 2

    def test_empty_carts_and_carts_of_other_organizations_are_not_abandoned(self):
        empty, foreign = CartFactory(lines=[]), CartFactory(organization_id="org_2")
        assert self.abandon(self.idle(empty) + DAY) == 0
        assert event_names(foreign)[-1] == "cart.item_added"

    def test_an_organization_can_set_its_own_threshold(self):
        Policy.objects.create(organization_id="org_1", abandoned_after=timedelta(hours=1))
        cart, foreign = CartFactory(), CartFactory(organization_id="org_2")
        now = cart.last_activity_at + timedelta(hours=1)
        assert services.abandon_idle_carts(now=now) == 1
        assert services.abandon_idle_carts(now=self.idle(foreign)) == 1

    def test_an_abandoned_cart_can_be_checked_out(self):
        cart = CartFactory()
        self.abandon(self.idle(cart))
        assert check_out(cart)[1]

    @pytest.mark.parametrize("abandoned", [True, False])
    def test_a_cart_that_stays_idle_expires(self, settings, abandoned):
        cart, now = CartFactory(), timezone.now()
        if abandoned:
            self.abandon(now + DAY)
        later = now + timedelta(seconds=settings.CART_EXPIRED_AFTER)
        assert services.expire_idle_carts(now=now) == 0
        assert services.expire_idle_carts(now=later) == 1
        cart.refresh_from_db()
        assert cart.status == "expired"
        assert event_names(cart)[-1] == "cart.expired"

    def test_a_failing_cart_does_not_stop_the_others(self, monkeypatch, caplog):
        broken, cart = CartFactory(), CartFactory()
        abandon = Cart.abandon

        def fail(self, **kwargs):
            assert self.id != broken.id, "broken"
            abandon(self, **kwargs)

        monkeypatch.setattr(Cart, "abandon", fail)
        assert self.abandon(self.idle(cart)) == 1
        assert broken.id in caplog.text
        assert event_names(cart)[-1] == "cart.abandoned"
