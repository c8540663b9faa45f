"""The entries of the schedule are tasks that run as described."""

from datetime import timedelta
from functools import partial

import pytest
from django.conf import settings
from django.utils import timezone

from config.celery import app
from tests.factories import CartFactory, OrderFactory
from tests.log import event_names


def test_every_entry_of_the_schedule_is_a_task_that_expires():
    app.loader.import_default_modules()
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        assert entry["task"] in app.tasks
        assert entry["options"]["expiration"] == entry["schedule"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("task", "days", "make", "name"),
    [
        ("carts.tasks.abandon_idle_carts", 2, CartFactory, "cart.abandoned"),
        ("carts.tasks.expire_idle_carts", 100, CartFactory, "cart.expired"),
        ("orders.tasks.expire_unpaid_orders", 1, OrderFactory, "order.cancelled"),
        (
            "orders.tasks.expire_pending_orders",
            30,
            partial(OrderFactory, status="pending"),
            "order.cancelled",
        ),
        (
            "orders.tasks.hold_unreserved_orders",
            1,
            partial(OrderFactory, status="paid"),
            "order.held",
        ),
    ],
)
def test_a_timer_accepts_a_time_and_an_organization_as_text(task, days, make, name):
    row, other = make(), make(organization_id="org_2")
    timer = app.tasks[task]
    assert timer() == 0
    later = (timezone.now() + timedelta(days=days)).isoformat()
    assert timer(now=later, organization_id="org_1") == 1
    assert event_names(row)[-1] == name
    assert name not in event_names(other)
