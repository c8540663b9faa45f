"""The everyday tasks of an operator, in a real browser."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Page, expect

from events.delivery import relay
from events.models import EventRecord, Outbox, Publication
from orders.models import Order, WriteOff
from orders.services import lifecycle
from tests.factories import CartFactory, OrderFactory, order_of, write_off

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_operator_logs_in(page: Page):
    User.objects.create_superuser("olga", password="a-password")
    page.goto("/admin/")
    page.get_by_label("Username").fill("olga")
    page.get_by_label("Password").fill("a-password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Needs attention")).to_be_visible()


def test_an_order_is_found_and_cancelled_with_a_reason(operator: Page):
    order, other = OrderFactory(), OrderFactory()
    operator.goto("/admin/")
    operator.get_by_role("link", name="Orders").first.click()
    operator.locator("#searchbar").fill(order.number)
    operator.locator("#searchbar").press("Enter")
    expect(operator.get_by_role("link", name=other.number)).to_have_count(0)
    operator.get_by_role("link", name=order.number).click()
    operator.get_by_role("link", name="Cancel").click()
    operator.get_by_role("button", name="Cancel").click()
    assert operator.url.endswith("/do/cancel/"), "sent without a reason"
    operator.get_by_label("Reason").select_option("Customer request")
    operator.get_by_role("button", name="Cancel").click()
    expect(operator.get_by_text(f"Order {order.number} was cancelled.")).to_be_visible()
    latest = operator.locator(".console-timeline li").first
    expect(latest).to_contain_text("Order cancelled")
    expect(latest).to_contain_text("Customer request")
    expect(latest).to_contain_text("by olga")
    assert Order.objects.get(pk=order.id).cancelled_by == "olga"


def test_a_parked_message_is_explained_retried_and_published(operator: Page, broker: object):
    order = OrderFactory()
    message = Outbox.objects.filter(stream=order.id).earliest("event_id")
    message.parked_at, message.attempts = order.created_at, 5
    message.last_error = "PreconditionFailed: the message is too large"
    message.save()
    operator.goto("/admin/")
    operator.get_by_role("link", name="Parked messages").click()
    expect(operator.get_by_text("the message is too large")).to_be_visible()
    operator.get_by_role("link", name="order.created").click()
    operator.get_by_role("link", name="Retry").click()
    expect(operator.get_by_text("Send the message now")).to_be_visible()
    operator.get_by_role("button", name="Retry").click()
    expect(operator.get_by_text("is retried")).to_be_visible()
    relay.publish_pending()
    assert Publication.objects.filter(event__stream=order.id).count() == 2
    operator.goto(reverse("admin:orders_order_change", args=[order.id]))
    timeline = operator.locator(".console-timeline li")
    expect(timeline.first).to_contain_text("message or reaction retried")
    expect(timeline.last).to_contain_text("published #1")


def test_a_cart_is_checked_out_without_optional_fields(operator: Page):
    cart = CartFactory()
    operator.goto(reverse("admin:carts_cart_command", args=[cart.id, "checkout"]))
    for part, text in {
        "name": "Ana",
        "line1": "Calle 1",
        "city": "Puebla",
        "country": "MX",
    }.items():
        operator.locator(f"[name='shipping_address.{part}']").fill(text)
    operator.get_by_role("button", name="Check out").dblclick()
    expect(operator.get_by_text("was checked out")).to_be_visible()
    assert Order.objects.get(cart_id=cart.id).status == "placed"


def test_units_are_written_off_in_a_table_of_lines(operator: Page):
    order = order_of(3, 2)
    operator.goto(reverse("admin:orders_order_change", args=[order.id]))
    operator.get_by_role("link", name="Write off").click()
    operator.get_by_label("Reason").select_option("Out of stock")
    operator.locator("[name='items[1].quantity']").fill("1")
    operator.get_by_role("button", name="Write off").dblclick()
    expect(operator.get_by_text("were written off")).to_be_visible()
    expect(operator.get_by_role("link", name="Release stock")).to_be_visible()
    expect(operator.locator("#write_offs-group")).to_contain_text("25.00 USD")
    assert WriteOff.objects.count() == 1, "the button was pressed twice"


def test_every_page_opens_without_an_error_or_another_host(operator: Page):
    """Open every list, row and form, in light or dark; the fixture `page` collects the errors."""
    order, cart = order_of(3, 2), CartFactory()
    write_off(order, 0, 1)
    lifecycle.hold_order(order_id=order.id, reason="fraud")
    Outbox.objects.update(parked_at=order.created_at)
    opened = 0
    for model, page in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        row = model.objects.order_by("pk").first()
        urls = [reverse(f"{name}_changelist")]
        urls += [reverse(f"{name}_change", args=[row.pk])] if row else []
        urls += [
            reverse(f"{name}_command", args=[row.pk, command])
            for command in (getattr(page, "commands", ()) if row else ())
            if command != "export"  # downloads a file
        ]
        for url in urls:
            scheme = ("light", "dark")[opened % 2]
            operator.emulate_media(color_scheme=scheme)
            response = operator.goto(url)
            assert response, url
            assert response.status == 200, url
            background = operator.evaluate(
                "getComputedStyle(document.querySelector('#main')).backgroundColor"
            )
            lightness = float(re.findall(r"[\d.]+", background)[0])
            is_dark = lightness < 0.5 or 1 < lightness < 128
            assert is_dark == (scheme == "dark"), (url, background)
            opened += 1
    assert opened > 20
    assert {order.id, cart.id} <= set(EventRecord.objects.values_list("stream", flat=True))


def test_the_orders_of_a_queue_are_released_together(operator: Page):
    orders = [lifecycle.hold_order(order_id=OrderFactory().id, reason="fraud") for _ in range(3)]
    lifecycle.cancel_order(order_id=orders[1].id, reason="fraud")
    operator.goto(reverse("admin:orders_order_changelist"))
    expect(operator.get_by_role("button", name="Run")).to_be_hidden()
    operator.locator("#action-toggle").check()
    expect(operator.get_by_text("3 of 3 selected")).to_be_visible()
    expect(operator.get_by_text("Select the whole list")).to_have_count(0)
    operator.get_by_label("Select action to run").select_option("Release order")
    operator.get_by_role("button", name="Run").click()
    expect(operator.get_by_text("Release order: 2 of 3 rows done.")).to_be_visible()
    refused = f"{orders[1]}: `release` is not possible for {orders[1].id}"
    expect(operator.get_by_text(refused)).to_be_visible()
    assert not Order.objects.filter(held_at__isnull=False).exclude(pk=orders[1].pk).exists()


def test_a_list_of_several_pages_is_released_as_a_whole(operator: Page, monkeypatch):
    monkeypatch.setattr(admin.site._registry[Order], "list_per_page", 3)
    for _ in range(4):
        lifecycle.hold_order(order_id=OrderFactory().id, reason="fraud")
    operator.goto(reverse("admin:orders_order_changelist") + "?queue=held")
    operator.locator("#action-toggle").check()
    operator.get_by_role("link", name="Select the whole list").click()
    expect(operator.get_by_text("The whole list is selected.")).to_be_visible()
    operator.get_by_label("Select action to run").select_option("Release order")
    operator.get_by_role("button", name="Run").dblclick()
    expect(operator.get_by_text("Release order: ")).to_be_visible()
    assert not Order.objects.filter(held_at__isnull=False).exists()
