"""What can be done with carts: one function per verb."""

import json
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Unpack, cast

from django.utils import timezone

import orders.selectors
from carts import selectors
from carts.exceptions import CannotMerge, CartItemNotFound, ShippingAddressRequired
from carts.models import Cart, CartItem
from config.core.client_data import ClientDataGiven
from config.core.ids import new_id
from config.core.timers import for_each
from config.core.unit_of_work import unit_of_work
from orders.services.lifecycle import OrderTerms, open_order

if TYPE_CHECKING:
    from orders.models import Order
    from orders.models.parts import DiscountData
    from orders.pricing import Tax


@unit_of_work()
def open_cart(
    *,
    organization_id: str,
    currency: str,
    customer_id: str | None = None,
    session_id: str | None = None,
    local_id: str | None = None,
    locale: str | None = None,
    tax_inclusive: bool | None = None,
    purchase_order_number: str | None = None,
    **client_data: Unpack[ClientDataGiven],
) -> Cart:
    """Open a cart for a customer, a session, or both. Its currency cannot change.

    `tax_inclusive` says whether its prices and discounts include tax, by default as the
    organization's policy says. It cannot change either.
    """
    by_policy = orders.selectors.tax_inclusive_by_policy(organization_id)
    cart = Cart.open(
        organization_id=organization_id,
        currency=currency,
        customer_id=customer_id,
        session_id=session_id,
        local_id=local_id,
        locale=locale,
        tax_inclusive=by_policy if tax_inclusive is None else tax_inclusive,
        purchase_order_number=purchase_order_number,
        **client_data,
    )
    cart.save(force_insert=True)
    return cart


@unit_of_work()
def add_item(
    *,
    cart_id: str,
    variant_id: str,
    title: str,
    quantity: int,
    unit_price: Decimal,
    tax_rate: Decimal = Decimal(0),
    taxes: "list[Tax] | None" = None,
    discount: "DiscountData | None" = None,
    preferred_warehouse_id: str | None = None,
    **client_data: Unpack[ClientDataGiven],
) -> Cart:
    """Add units to the line that is the same but for its quantity, or a new one.

    `unit_price` and `discount` are in the cart's currency, and include tax if its prices do.
    `tax_rate` is a fraction, 0.19 is 19 %: the sum of those of `taxes`. Discounts of units that
    share a line are added up. Raises CartTooLarge, DiscountTooLarge, InexactAmount, PriceTooExact,
    AmountTooLarge, InvalidTransition.
    """
    cart = selectors.get_for_update(cart_id)
    item = CartItem(
        variant_id=variant_id,
        title=title,
        quantity=quantity,
        unit_price=unit_price,
        tax_rate=tax_rate,
        taxes=taxes or [],
        preferred_warehouse_id=preferred_warehouse_id,
        **client_data,
    )
    item.discount = discount
    cart.add_item(item=item, at=timezone.now())
    cart.save()
    return cart


@unit_of_work()
def change_item(
    *, cart_id: str, item_id: str, quantity: int, discount: "DiscountData | None" = None
) -> Cart:
    """Set a line's quantity, and its discount if one is given; an amount of 0 removes it.

    Raises CartItemNotFound, DiscountTooLarge, InexactAmount, InvalidTransition.
    """
    cart = selectors.get_for_update(cart_id)
    item = _item(cart, item_id)
    discount = discount or item.discount
    is_same = (item.quantity, item.discount) == (quantity, discount)
    if is_same and cart.status in Cart.OPEN:
        return cart
    cart.change_item(item=item, quantity=quantity, discount=discount, at=timezone.now())
    cart.save()
    return cart


@unit_of_work()
def remove_item(*, cart_id: str, item_id: str) -> Cart:
    """Remove a line. Raises CartItemNotFound, InvalidTransition."""
    cart = selectors.get_for_update(cart_id)
    cart.remove_item(item=_item(cart, item_id), at=timezone.now())
    cart.save()
    return cart


@unit_of_work()
def merge_cart(*, cart_id: str, into: str) -> Cart:
    """Merge a guest's cart into a customer's cart, and return the latter.

    Raises CannotMerge, CartTooLarge, InvalidTransition.
    """
    if cart_id == into:
        raise CannotMerge("A cart cannot be merged into itself.")
    guest, target = selectors.get_both_for_update(cart_id, into)
    if guest.merged_into_id == target.id:
        return target
    guest.merge(into=target)
    target.absorb(guest=guest, at=timezone.now())
    for cart in sorted((guest, target), key=lambda cart: cart.id):
        cart.save()
    return target


@unit_of_work()
def check_out(
    *,
    cart_id: str,
    **terms: Unpack[OrderTerms],
) -> tuple["Order", bool]:
    """Check out a cart: open and place its order. Return the order and whether it is new.

    A cart becomes one order: a repeated or concurrent call returns that order, if its arguments are
    the same. `Cart.INHERITED_FIELDS` default to the cart's. For the arguments and further errors
    see `orders.services.lifecycle.open_order`. Raises AlreadyCheckedOut, ShippingAddressRequired,
    InvalidTransition.
    """
    cart, digest = selectors.get_for_update(cart_id), _digest(terms)
    if cart.order_id:
        cart.expect_checked_out_with(digest)
        return orders.selectors.get_for_update(str(cart.order_id)), False
    order_id = new_id("order")
    cart.convert(order_id=order_id, digest=digest, at=timezone.now())
    if not (terms.get("shipping_address") or cart.local_id):
        raise ShippingAddressRequired(
            "shipping_address is required: the cart has no local_id where to collect the order."
        )
    cart.save()
    inherited = {name: getattr(cart, name) for name in Cart.INHERITED_FIELDS}
    order = open_order(
        place=True,
        order_id=order_id,
        cart_id=cart.id,
        organization_id=cart.organization_id,
        customer_id=cart.customer_id,
        session_id=None if cart.customer_id else cart.session_id,
        currency=cart.currency,
        tax_inclusive=cart.tax_inclusive,
        local_id=cart.local_id,
        items=[item.copied_values() for item in cart.lines],
        **cast(OrderTerms, inherited | _given(terms)),
    )
    return order, True


def _given(terms: OrderTerms) -> dict[str, Any]:
    return {name: value for name, value in terms.items() if value is not None}


def _digest(terms: OrderTerms) -> str:
    """Return a digest of the terms, in which `5.0` is `5.00`, and null is nothing."""

    def written(value: object) -> str:
        return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)

    text = json.dumps(_given(terms), default=written, sort_keys=True)
    return sha256(text.encode()).hexdigest()


def abandon_idle_carts(*, now: datetime, organization_id: str | None = None) -> int:
    """Abandon carts that are idle for their organization's threshold at `now`; return how many."""
    idle = selectors.to_abandon(now=now, organization_id=organization_id)
    return for_each(idle, lambda cart: cart.abandon(at=now))


def expire_idle_carts(*, now: datetime, organization_id: str | None = None) -> int:
    """Expire carts that are idle for CART_EXPIRED_AFTER at `now`; return how many."""
    idle = selectors.to_expire(now=now, organization_id=organization_id)
    return for_each(idle, lambda cart: cart.expire())


def _item(cart: Cart, item_id: str) -> CartItem:
    item = next((item for item in cart.lines if item.id == item_id), None)
    if item is None:
        raise CartItemNotFound(f"{cart.id} has no item {item_id}.")
    return item
