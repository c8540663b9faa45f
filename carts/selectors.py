"""Reads carts; writes nothing."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast

from django.conf import settings
from django.db.models import (
    Case,
    DateTimeField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Round

import orders.selectors
from carts.models import Cart, CartItem, Policy
from config.core import sql
from config.core.money import CURRENCIES, MoneyField, decimals
from config.core.unit_of_work import EVERYTHING, attach, attached, same
from events.people import Person

PRODUCT = ExpressionWrapper(F("quantity") * F("unit_price"), output_field=MoneyField())
# A line's amount is rounded to the decimals of its currency.
DECIMALS = Case(
    *(
        When(
            cart__currency__in=[code for code in CURRENCIES if decimals(code) == places],
            then=Value(places),
        )
        for places in (0, 3, 4)
    ),
    default=Value(2),
)


def with_lines() -> QuerySet[Cart]:
    """Return carts with their lines."""
    return Cart.objects.prefetch_related("items")


def with_value() -> QuerySet[Cart]:
    """Return carts with `units` and `amount`, what `items_count` and `value` are of their lines."""
    lines = CartItem.objects.filter(cart=OuterRef("pk")).order_by().values("cart")
    units = lines.annotate(sum=Sum("quantity")).values("sum")
    rounded = Round(PRODUCT, precision=cast(int, DECIMALS))  # the stubs know numbers only
    amount = lines.annotate(sum=Sum(rounded)).values("sum")
    return Cart.objects.annotate(
        units=Coalesce(Subquery(units), 0),
        amount=Coalesce(Subquery(amount), Decimal(0), output_field=MoneyField()),
    )


def get_for_update(cart_id: str, visible: Q = EVERYTHING) -> Cart:
    """Return a cart, locked until the transaction ends."""
    if found := attached(Cart, cart_id):
        return found
    for cart in sql.rows(_locked, where=visible & Q(pk=cart_id)):
        return attach(cart)
    raise Cart.DoesNotExist(f"There is no {cart_id}.")


def _locked(where: Q) -> QuerySet[Cart]:
    return Cart.objects.select_for_update(no_key=True).filter(where)


def get_both_for_update(one: str, other: str) -> tuple[Cart, Cart]:
    """Return two carts. They are locked in the order of their ids, so that merges cannot deadlock.

    Raises Cart.DoesNotExist.
    """
    missing = [each for each in (one, other) if not attached(Cart, each)]
    same(Cart.objects.filter(pk__in=missing).order_by("pk").select_for_update(no_key=True))
    return get_for_update(one), get_for_update(other)


def owned_by(person: Person) -> QuerySet[Cart]:
    """Return a person's carts, those of their orders, and those that were merged into these."""
    carts = Cart.objects.filter(person.owns() | Q(order__in=orders.selectors.owned_by(person)))
    merged = Cart.objects.filter(merged_into__in=carts)
    return Cart.objects.filter(Q(pk__in=carts) | Q(pk__in=merged) | Q(merged_into__in=merged))


def to_abandon(*, now: datetime, organization_id: str | None = None) -> QuerySet[Cart]:
    """Return active carts with items that are idle for their organization's threshold."""
    policy = Policy.objects.filter(organization_id=OuterRef("organization_id"))
    after = Coalesce(
        Subquery(policy.values("abandoned_after")),
        Value(timedelta(seconds=settings.CART_ABANDONED_AFTER), output_field=DurationField()),
    )
    idle = _of(organization_id).filter(
        Exists(CartItem.objects.filter(cart=OuterRef("pk"))),
        status=Cart.Status.ACTIVE,
        # A bound that the index serves; the exact one, by organization, follows.
        last_activity_at__lte=now - _shortest_threshold(),
    )
    due = ExpressionWrapper(F("last_activity_at") + after, output_field=DateTimeField())
    return idle.alias(due=due).filter(due__lte=now)


def to_expire(*, now: datetime, organization_id: str | None = None) -> QuerySet[Cart]:
    """Return open carts that are idle for CART_EXPIRED_AFTER."""
    return _of(organization_id).filter(
        status__in=Cart.OPEN,
        last_activity_at__lte=now - timedelta(seconds=settings.CART_EXPIRED_AFTER),
    )


def _of(organization_id: str | None) -> QuerySet[Cart]:
    carts = with_lines().order_by("last_activity_at")
    return carts.filter(organization_id=organization_id) if organization_id else carts


def _shortest_threshold() -> timedelta:
    own: Iterable[timedelta | None] = Policy.objects.values_list("abandoned_after", flat=True)
    return min([timedelta(seconds=settings.CART_ABANDONED_AFTER), *filter(None, own)])
