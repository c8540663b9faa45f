"""Open, place, confirm, hold and cancel orders: one function per verb."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import TypedDict, Unpack

from django.utils import timezone

import payments.selectors
import returns.selectors
import shipments.selectors
from config.core import clock, request_context
from config.core.client_data import ClientDataGiven
from config.core.exceptions import AddressRequired
from config.core.numbering import take_number
from config.core.timers import BATCH_SIZE, for_each
from config.core.unit_of_work import unit_of_work
from events.operations import people
from orders import selectors
from orders.exceptions import (
    AlreadyShipped,
    CannotExchange,
    CannotReplace,
    CountryChanged,
    LabelIsBought,
    MismatchUnresolved,
    PaymentTermsUnavailable,
    TotalDiffers,
)
from orders.models import Order
from orders.models.parts import DiscountData, ItemData
from orders.pricing import Tax

UNSECURED = "What was authorized is not captured, and not reserved any more."


class ShippingTerms(TypedDict, total=False):
    """What the customer chose. `tax_rate` is a fraction, the sum of those of `taxes`.

    `cost` is before the discount. Both include tax if the order's prices do.
    """

    carrier: str | None
    service: str | None
    cost: Decimal
    discount: DiscountData | None
    tax_rate: Decimal
    taxes: list[Tax]
    signature_required: bool


class OrderTerms(ClientDataGiven, total=False):
    """What an order may have besides its items. It is not opened if it has another total."""

    customer_email: str | None
    locale: str | None
    shipping_address: Mapping[str, str] | None
    billing_address: Mapping[str, str] | None
    shipping: ShippingTerms | None
    discount: DiscountData | None
    payment_method: str | None
    purchase_order_number: str | None
    expected_total: Decimal | None


class Corrections(ClientDataGiven, total=False):
    """What can be corrected in an order: see `OrderTerms`."""

    purchase_order_number: str | None
    customer_email: str | None
    shipping_address: Mapping[str, str]
    billing_address: Mapping[str, str] | None


@unit_of_work()
def open_order(
    *,
    organization_id: str,
    currency: str,
    items: Sequence[ItemData],
    order_id: str | None = None,
    cart_id: str | None = None,
    customer_id: str | None = None,
    session_id: str | None = None,
    local_id: str | None = None,
    tax_inclusive: bool | None = None,
    tax_rounding: str | None = None,
    replaces: str | None = None,
    exchanges: str | None = None,
    place: bool = False,
    **terms: Unpack[OrderTerms],
) -> Order:
    """Open an order, and place it in the same transaction if `place` is true.

    `tax_inclusive` says whether its prices and discounts include tax, by default as the
    organization's policy says. Placing the order cancels the one that it `replaces`. Raises
    NoItems, DiscountTooLarge, InexactAmount, PriceTooExact, AmountTooLarge, TotalDiffers,
    CannotReplace, CannotExchange, and with `place` OrderTooLarge, PaymentTermsUnavailable,
    AlreadyShipped, InvalidTransition.
    """
    rules = selectors.policy(organization_id)
    shipping = terms.get("shipping") or ShippingTerms()
    off_shipping = shipping.get("discount") or DiscountData()
    discount = terms.get("discount") or DiscountData()
    given_id = {"id": order_id} if order_id else {}
    payment_method = terms.get("payment_method")
    zone = rules.time_zone
    waits_for = Order.PaymentMethod.MANUAL if exchanges else payment_method
    ttl = selectors.reservation_ttl_minutes(rules, waits_for, zone) if place else None
    at = clock.local(timezone.now(), zone)
    number = take_number(organization_id=organization_id, series="ORD", at=at)
    order = Order.open(
        **given_id,
        organization_id=organization_id,
        number=number,
        time_zone=zone,
        cart_id=cart_id,
        replaces_id=replaces,
        exchanges=exchanges,
        customer_id=customer_id,
        session_id=session_id,
        customer_email=terms.get("customer_email"),
        locale=terms.get("locale"),
        local_id=local_id,
        currency=currency,
        tax_inclusive=rules.tax_inclusive if tax_inclusive is None else tax_inclusive,
        tax_rounding=tax_rounding or rules.tax_rounding,
        items=items,
        shipping_address=terms.get("shipping_address"),
        billing_address=terms.get("billing_address"),
        carrier=shipping.get("carrier"),
        service=shipping.get("service"),
        signature_required=shipping.get("signature_required", False),
        shipping_cost=shipping.get("cost", Decimal(0)),
        shipping_discount=off_shipping.get("amount", Decimal(0)),
        shipping_discount_code=off_shipping.get("code"),
        shipping_discount_reason=off_shipping.get("reason"),
        shipping_tax_rate=shipping.get("tax_rate", Decimal(0)),
        shipping_taxes=shipping.get("taxes", []),
        discount=discount.get("amount", Decimal(0)),
        discount_code=discount.get("code"),
        discount_reason=discount.get("reason"),
        payment_method=payment_method,
        purchase_order_number=terms.get("purchase_order_number"),
        metadata=terms.get("metadata", {}),
        external_reference=terms.get("external_reference"),
        customer_note=terms.get("customer_note"),
        internal_note=terms.get("internal_note"),
    )
    _expect_total(order, terms.get("expected_total"))
    if exchanges:
        _expect_exchangeable(order)
    if replaces:
        _replaced_by(order)
    elif ttl:
        _place(order, ttl)
    order.save(force_insert=True)
    return _take_place(order, ttl) if replaces and ttl else order


@unit_of_work()
def place_order(*, order_id: str, payment_method: str | None = None) -> Order:
    """Place an order; one that costs nothing, or is paid later, is confirmed without a payment.

    `payment_method` replaces the one that the order was opened with. Raises OrderTooLarge,
    PaymentTermsUnavailable, CannotReplace, AlreadyShipped, InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    if order.placed_at and not order.is_cancelled():
        return order
    order.payment_method = payment_method or order.payment_method
    rules = selectors.policy(order.organization_id)
    waits_for = Order.PaymentMethod.MANUAL if order.exchanges else order.payment_method
    ttl = selectors.reservation_ttl_minutes(rules, waits_for, order.time_zone)
    if order.replaces_id:
        return _take_place(order, ttl)
    _place(order, ttl)
    order.save()
    return order


@unit_of_work()
def correct_order(*, order_id: str, **changes: Unpack[Corrections]) -> Order:
    """Correct an order before anything is shipped.

    Raises LabelIsBought, CountryChanged, AlreadyShipped, InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    new = {name: value for name, value in changes.items() if getattr(order, name) != value}
    if new:
        expect_not_shipped(order)
        if "shipping_address" in new:
            _expect_readdressable(order, changes["shipping_address"])
        order.correct(**new)
        order.save()
    return order


@unit_of_work()
def extend_reservation(*, order_id: str, until: datetime) -> None:
    """Wait for the payment of a placed order until then, if it is later than now."""
    order = selectors.get_for_update(order_id)
    expires_at = order.reservation_expires_at
    if order.status == Order.Status.PLACED and expires_at and expires_at < until:
        order.extend_reservation(until=until)
        order.save()


@unit_of_work()
def confirm_order(*, order_id: str, payment_id: str | None) -> Order:
    """Confirm an order whose amount due is captured; `payment_id` completed it.

    If the organization confirms only what is reserved, it waits for the reservation. Raises
    NotFullyPaid, InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    if order.status == Order.Status.PAID:
        if _waits_only_for_payment(order):
            confirm_paid_order(order)
            order.save()
        return order  # otherwise only its reservation, or an operator who releases it, confirms it
    if order.confirmed_at and order.payment_id == payment_id and not order.is_cancelled():
        return order
    if _is_unsecured(order):  # a part of what was authorized is captured, and the rest is void
        return hold_unsecured_order(order_id=order_id)
    captured = payments.selectors.received(order)
    if captured < order.total:  # another payment is authorized, or the rest is still to be paid
        return confirm_authorized_order(order_id=order_id)
    _confirm(order, payment_id, captured, request_context.now())
    order.save()
    return order


@unit_of_work()
def confirm_authorized_order(*, order_id: str) -> Order:
    """Confirm an order whose total is authorized or captured, if its organization wants that.

    Raises NotFullyPaid, InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    _confirm(order, None, payments.selectors.covered(order), request_context.now())
    order.save()
    return order


@unit_of_work()
def hold_unsecured_order(*, order_id: str) -> Order:
    """Hold an order that was confirmed by an authorized payment, if that pays it no more."""
    order = selectors.get_for_update(order_id)
    if _is_unsecured(order) and not order.is_held():
        _hold_again(order)
        order.save()
    return order


def confirm_paid_order(order: Order) -> None:
    """Confirm an order that has waited for its reservation, maybe for too long.

    If a payment needs that, it stays on hold. One whose payment is lost waits for another one.
    """
    if _is_unanswered(order):
        order.release()
        _hold_again(order)
    if _is_unsecured(order):
        if not order.is_held():
            _hold_again(order)
        return
    covered = payments.selectors.covered(order)
    order.confirm(payment_id=order.payment_id, captured=covered, at=timezone.now())


@unit_of_work()
def cancel_order(*, order_id: str, reason: str, note: str = "") -> Order:
    """Cancel an order before anything is shipped. Raises AlreadyShipped, InvalidTransition."""
    order = selectors.get_for_update(order_id)
    if order.is_cancelled() and order.cancellation_reason == reason:
        return order
    _cancel(order, reason, note, timezone.now())
    order.save()
    return order


@unit_of_work()
def cancel_unpayable_order(*, order_id: str) -> Order:
    """Cancel an order after its payment's last attempt failed, unless another may succeed."""
    order = selectors.get_for_update(order_id)
    if order.status == Order.Status.PLACED and not payments.selectors.may_still_be_paid(order):
        _cancel(order, Order.CancellationReason.PAYMENT_FAILED, "", request_context.now())
        order.save()
    return order


@unit_of_work()
def hold_order(*, order_id: str, reason: str, note: str = "") -> Order:
    """Put an order on hold, so that none of its units is sent. Raises InvalidTransition."""
    order = selectors.get_for_update(order_id)
    if (order.hold_reason, order.hold_note) == (reason, note):
        return order
    order.hold(reason=reason, note=note, at=request_context.now())
    order.save()
    return order


@unit_of_work()
def release_order(*, order_id: str) -> Order:
    """Release an order from hold.

    One that is held because Inventory has not answered is confirmed without a reservation. Raises
    MismatchUnresolved, InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    if order.is_held():
        if payment_id := payments.selectors.mismatched(order):
            raise MismatchUnresolved(
                f"{payment_id} captured another amount than was charged. Apply the payment or "
                f"refund it; then {order_id} can be released."
            )
        if _is_unanswered(order):
            confirm_paid_order(order)
        else:
            known = order.hold_reason if order.held_by == request_context.SYSTEM else None
            order.release()
            _hold_again(order, known=known)
        order.save()
    return order


@unit_of_work()
def release_after_payment(*, order_id: str) -> bool:
    """Release an order from its hold for a mismatched or lost payment, once nothing needs it.

    If a payment was lost before the order was reserved, confirm it. Return whether it was held.
    """
    order = selectors.get_for_update(order_id)
    by_payment = (Order.HoldReason.PAYMENT, request_context.SYSTEM)
    is_held = (order.hold_reason, order.held_by) == by_payment
    if not is_held or order.is_cancelled() or payments.selectors.mismatched(order):
        return False
    if _needed_hold(order) != (order.hold_reason, order.hold_note):
        order.release()
        _hold_again(order)
        if _waits_only_for_payment(order):
            confirm_paid_order(order)
        order.save()
    return True


@unit_of_work()
def release_after_dispute(*, order_id: str) -> None:
    """Release an order from its hold for a dispute, unless another one is open."""
    order = selectors.get_for_update(order_id)
    by_dispute = (Order.HoldReason.DISPUTE, request_context.SYSTEM)
    is_held = (order.hold_reason, order.held_by) == by_dispute
    if is_held and not order.is_cancelled() and not payments.selectors.is_disputed(order):
        order.release()
        _hold_again(order)
        order.save()


def hold_unreserved_orders(*, now: datetime, organization_id: str | None = None) -> int:
    """Hold paid orders that Inventory has not reserved in time at `now`; return how many."""
    unreserved = selectors.unreserved(now=now, organization_id=organization_id)
    reason, note = Order.HoldReason.RESERVATION, "Inventory has not answered in time."
    return for_each(unreserved, lambda order: order.hold(reason=reason, note=note, at=now))


def expire_unpaid_orders(*, now: datetime, organization_id: str | None = None) -> int:
    """Cancel placed orders whose reservation has expired at `now`; return how many."""
    unpaid = selectors.expired_unpaid(now=now, organization_id=organization_id)
    reason = Order.CancellationReason.RESERVATION_EXPIRED
    return for_each(unpaid, lambda order: _cancel(order, reason, "", now))


def expire_pending_orders(*, now: datetime, organization_id: str | None = None) -> int:
    """Cancel orders that were not placed in time at `now`; return how many."""
    pending = selectors.expired_pending(now=now, organization_id=organization_id)
    reason, note = Order.CancellationReason.OTHER, "It was not placed in time."
    return for_each(pending, lambda order: _cancel(order, reason, note, now))


def erase_old_orders(*, now: datetime) -> int:
    """Erase the personal data of orders after PERSONAL_DATA_KEEP_DAYS; return how many.

    An order with an open return or payment, for example, is left for a later run.
    """
    done = 0
    for order_id in list(selectors.to_erase(now=now).values_list("pk", flat=True)[:BATCH_SIZE]):
        with suppress(people.ErasureBlocked):
            people.erase_stream(order_id, at=now)
            done += 1
    return done


def _hold_again(order: Order, *, known: str | None = None) -> None:
    """Hold an order if a payment needs that: see `_needed_hold`."""
    needed = _needed_hold(order, known=known)
    if needed and order.has_unshipped_units():
        reason, note = needed
        with request_context.use(actor=request_context.SYSTEM):
            order.hold(reason=reason, note=note, at=request_context.now())


def _needed_hold(order: Order, *, known: str | None = None) -> tuple[str, str] | None:
    """Return the reason and the note of the hold that the order's payments need, or None.

    `known` is the reason of the service's hold that an operator releases knowingly. Of a dispute
    and a lost payment, the dispute is the last to be released.
    """
    known_payment = (Order.HoldReason.PAYMENT, Order.HoldReason.DISPUTE)
    if payment_id := payments.selectors.mismatched(order):
        return Order.HoldReason.PAYMENT, f"{payment_id} captured another amount than was charged."
    if known not in known_payment and _is_unsecured(order):
        return Order.HoldReason.PAYMENT, UNSECURED
    if known != Order.HoldReason.DISPUTE and payments.selectors.is_disputed(order):
        return Order.HoldReason.DISPUTE, "The customer disputes a payment."
    return None


def _waits_only_for_payment(order: Order) -> bool:
    """Return whether the payment of an order was lost before it was reserved."""
    return order.status == Order.Status.PAID and not order.quantities.has_unreserved()


def _is_unsecured(order: Order) -> bool:
    """Return whether an order goes on that is neither paid nor authorized nor on account."""
    goes_on = order.status == Order.Status.PAID or order.is_fulfillable()
    return goes_on and not (order.is_on_account or payments.selectors.is_secured(order))


def expect_not_shipped(order: Order) -> None:
    """Refuse while a dispatched shipment waits for the reaction that records it in the order."""
    if order.has_shipped_nothing() and shipments.selectors.is_any_dispatched(order):
        raise AlreadyShipped(
            f"A shipment of {order.id} has left: write off the units that have not."
        )


def _place(order: Order, reservation_ttl_minutes: int) -> None:
    now, method = timezone.now(), order.payment_method
    if order.is_on_account and not payments.selectors.is_offered(
        order.organization_id, str(method)
    ):
        raise PaymentTermsUnavailable(
            f"{order.organization_id} does not offer `{method}`: choose another payment_method."
        )
    if not order.has_a_destination():
        raise AddressRequired(
            f"shipping_address is required: send it with PATCH /api/v1/orders/{order.id}."
        )
    order.place(reservation_ttl_minutes=reservation_ttl_minutes, at=now)
    if order.is_on_account or not order.total:
        _confirm(order, None, Decimal(0), now)


def _is_unanswered(order: Order) -> bool:
    """Return whether the service holds the paid order, because Inventory has not answered."""
    unanswered = (Order.Status.PAID, Order.HoldReason.RESERVATION, request_context.SYSTEM)
    return (order.status, order.hold_reason, order.held_by) == unanswered


def _expect_total(order: Order, expected: Decimal | None) -> None:
    """Raise TotalDiffers if the customer has seen another total."""
    if expected is not None and order.total != expected:
        total = str(order.total)
        raise TotalDiffers(
            f"The total is {total} {order.currency}, not {expected.normalize():f}: show it to the "
            "customer, and send it as expected_total.",
            total=total,
        )


def _confirm(order: Order, payment_id: str | None, captured: Decimal, at: datetime) -> None:
    """Confirm a paid order, or let it wait for its reservation."""
    timeout = selectors.reservation_timeout(order.organization_id)
    if timeout and order.quantities.has_unreserved():
        order.await_reservation(payment_id=payment_id, captured=captured, due_at=at + timeout)
    else:
        order.confirm(payment_id=payment_id, captured=captured, at=at)


def _expect_readdressable(order: Order, address: Mapping[str, str]) -> None:
    if shipment_id := shipments.selectors.labeled(order):
        raise LabelIsBought(f"{shipment_id} has a label for the old address: cancel it first.")
    old = (order.shipping_address or address)["country"]
    if order.placed_at and old != address["country"]:
        raise CountryChanged(
            f"{order.id} has the taxes and the shipping of {old}: for {address['country']}, "
            "replace it."
        )


def _take_place(order: Order, reservation_ttl_minutes: int) -> Order:
    """Place an order, and cancel the one that it replaces.

    Inventory hears of the stock to release before it hears of the stock to reserve.
    """
    replaced = _replaced_by(order)
    replaced.replaced_by = order
    if not replaced.is_cancelled():
        reason, note = Order.CancellationReason.REPLACED, f"{order.number} replaces it."
        _cancel(replaced, reason, note, timezone.now(), moving=order.total)
    replaced.save()
    order = selectors.get_for_update(order.id)  # a reaction may have failed: see `save`
    _place(order, reservation_ttl_minutes)
    order.take_place()
    order.save()
    return selectors.get_for_update(order.id)


def _replaced_by(order: Order) -> Order:
    """Return the order that another one replaces, locked. Raises CannotReplace."""
    replaced = selectors.get_for_update(str(order.replaces_id))
    if replaced.replaced_by_id:
        raise CannotReplace(f"{replaced.replaced_by_id} replaces {replaced.id} already.")
    if replaced.currency != order.currency:
        raise CannotReplace(f"{replaced.id} is in {replaced.currency}, not in {order.currency}.")
    if _owner(replaced) != _owner(order):
        raise CannotReplace(f"{replaced.id} belongs to another customer.")
    return replaced


def _expect_exchangeable(order: Order) -> None:
    """Raise CannotExchange."""
    returned = returns.selectors.get(str(order.exchanges))
    known = selectors.get_for_update(returned.order_id)  # of two exchanges at once, one is refused
    if other := selectors.exchange_of(returned.id):
        raise CannotExchange(f"{other.id} exchanges {returned.id} already.")
    if returned.status in returned.terminal_statuses:
        raise CannotExchange(
            f"{returned.id} is {returned.status}: open the order without `exchanges`."
        )
    if (known.currency, _owner(known)) != (order.currency, _owner(order)):
        raise CannotExchange(f"{returned.id} is of another customer, or not in {order.currency}.")


def _owner(order: Order) -> tuple[str | None, str | None]:
    """Return what identifies the customer: the id, or of a guest the e-mail address."""
    email = (order.customer_email or "").casefold()
    return order.customer_id, None if order.customer_id else email or order.session_id


def _cancel(
    order: Order, reason: str, note: str, at: datetime, *, moving: Decimal = Decimal(0)
) -> None:
    expect_not_shipped(order)
    order.cancel(
        reason=reason,
        note=note,
        at=at,
        is_paid=payments.selectors.has_money(order, moving=moving),
        held=selectors.held_by_inventory(order),
    )
