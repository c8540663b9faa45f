"""Reads orders; writes nothing."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, Literal, Protocol, TypeVar, cast

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import (
    DateTimeField,
    DurationField,
    Exists,
    Expression,
    ExpressionWrapper,
    F,
    Max,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce
from django.utils import timezone

import payments.selectors
from config.core import clock, sql
from config.core.unit_of_work import (
    EVERYTHING,
    all_attached,
    attach,
    attach_all,
    attached,
    has_all,
    same,
)
from events import schema
from events.models import EventRecord
from events.people import Person
from fulfillment.events import FulfillmentUnitsMoved
from orders.events import (
    OrderBackorderReserved,
    OrderConfirmed,
    OrderPlaced,
    OrderReserved,
    OrderShipped,
    OrderUnitsRecovered,
    OrderUnitsReleased,
    OrderUnitsReopened,
    OrderUnitsWrittenOff,
    StockItem,
    StockUnits,
)
from orders.exceptions import UnknownShipment
from orders.models import Dispatch, Order, OrderItem, Policy, WriteOff
from orders.quantities import Stock

M = TypeVar("M", bound=Model)
STOCK_EVENTS = (
    OrderPlaced,
    OrderReserved,
    OrderBackorderReserved,
    OrderConfirmed,
    OrderShipped,
    OrderUnitsWrittenOff,
    OrderUnitsReopened,
    OrderUnitsRecovered,
    OrderUnitsReleased,
    FulfillmentUnitsMoved,
)
# Orders that an operator must act on: review a hold, or release written-off stock in Inventory;
# and those that wait for Inventory.
ON_HOLD = Q(held_at__isnull=False) & ~Q(status__in=[Order.Status.DELIVERED, Order.Status.CANCELLED])
WITH_BACKORDERED_UNITS = Exists(OrderItem.objects.filter(order=OuterRef("pk"), backordered__gt=0))
WITH_UNRELEASED_UNITS = Exists(
    WriteOff.objects.filter(order=OuterRef("pk"), released_at__isnull=True)
)


def with_lines() -> QuerySet[Order]:
    """Return orders with their lines and allocations."""
    return Order.objects.prefetch_related("items__allocations")


class PaymentTotals(Protocol):
    """The amounts of an order that `payment_status` needs: see `with_payment_totals`."""

    status: str
    confirmed_at: datetime | None
    total: Decimal
    captured: Decimal
    refunded: Decimal
    authorized: Decimal
    waived: Decimal


def with_payment_totals() -> QuerySet[Order]:
    """Return orders with their lines, the sums of their payments, and `is_stock_unreleased`."""
    return without_lines().prefetch_related("items__allocations")


def without_lines() -> QuerySet[Order]:
    """Return orders with the sums of their payments, and `is_stock_unreleased`."""
    sums = {name: payments.selectors.sum_of(name) for name in ("captured", "refunded", "waived")}
    sums["authorized"] = payments.selectors.sum_of_authorized()
    rows = Order.objects.annotate(**sums, is_disputed=payments.selectors.disputed())
    return rows.annotate(is_stock_unreleased=WITH_UNRELEASED_UNITS)  # type: ignore[no-redef]


def with_totals(order: Order) -> Order:
    """Add what `with_payment_totals` adds to an order in hand, as it is now, and return it."""
    if payments.selectors.are_read(order) and "is_stock_unreleased" in vars(order):
        vars(order).update(
            captured=payments.selectors.captured(order),
            refunded=payments.selectors.refunded(order),
            waived=payments.selectors.waived(order),
            authorized=payments.selectors.authorized(order),
            is_disputed=payments.selectors.is_disputed(order),
        )
        return order
    sums = ("captured", "refunded", "waived", "authorized")
    names = (*sums, "is_disputed", "is_stock_unreleased")
    (values,) = without_lines().filter(pk=order.pk).values_list(*names)
    vars(order).update(zip(names, values, strict=True))
    return order


def get(order_id: str) -> Order:
    """Return an order with its lines and payment totals."""
    return with_payment_totals().get(pk=order_id)


def owned_by(person: Person) -> QuerySet[Order]:
    """Return a person's orders. An e-mail address identifies a guest only."""
    rows = person.owns()
    if person.email:
        guest = Q(customer_email__iexact=person.email, customer_id=None)
        rows |= Q(guest, organization_id=person.organization_id)
    return Order.objects.filter(rows)


def exchange_of(return_id: str) -> Order | None:
    """Return the order that exchanges a return, unless it is cancelled."""
    live = Order.objects.exclude(status=Order.Status.CANCELLED)
    return live.filter(exchanges=return_id).first()


def ids_by_number(number: str) -> list[str]:
    """Return the ids of all orders with a number. A number is unique within an organization."""
    return list(Order.objects.filter(number=number).values_list("pk", flat=True))


def get_for_update(order_id: str, visible: Q = EVERYTHING) -> Order:
    """Return an order, locked until the transaction ends.

    Whatever changes a row of an order, in any context, holds this lock.
    """
    if found := attached(Order, order_id):
        return found
    for order in sql.rows(_locked, where=visible & Q(pk=order_id)):
        return attach(order)
    raise Order.DoesNotExist(f"There is no {order_id}.")


def find_for_update(
    model: type[M],
    row_id: str,
    visible: Q = EVERYTHING,
    *,
    rows: Callable[[], QuerySet[M]] | None = None,
) -> M:
    """Return a row of another context; its order is locked until the transaction ends.

    All rows about the order are read with it, because its rules and its consequences ask for them.
    See `of_order` for `rows`.
    """
    for order in all_attached(Order):  # a consequence of a command that has locked the order
        if found := _find(of_order(model, order, rows=rows), row_id):
            return found
    for order in same(sql.rows(_locked_with, model, where=visible & Q(pk=row_id))):
        if found := _find(of_order(model, order, rows=rows), row_id):
            return found
    raise ObjectDoesNotExist(f"There is no {row_id}.")


def of_order(
    model: type[M], order: Order, *, rows: Callable[[], QuerySet[M]] | None = None
) -> list[M]:
    """Return another context's rows about an order that is attached, oldest first.

    They are read once in a unit of work: all rows of the model, or `rows()`. Raises TypeError if
    the order is not.
    """
    if attached(Order, order.pk) is not order:
        raise TypeError(f"{order.pk} is not locked here: use `get_for_update`.")
    if not has_all(model, order.pk):
        build = rows or model._default_manager.all
        for row in same(sql.rows(_oldest_first, build, where=Q(order_id=order.pk))):
            cast(Any, row).order = order
        attach_all(model, order.pk)
    known: list[Any] = all_attached(model)
    return sorted((row for row in known if row.order_id == order.pk), key=lambda row: row.pk)


def _oldest_first(rows: Callable[[], QuerySet[M]], where: Q) -> QuerySet[M]:
    return rows().filter(where).order_by("id")


def _locked(where: Q) -> QuerySet[Order]:
    return Order.objects.select_for_update(no_key=True).filter(where)


def _locked_with(model: type[Model], where: Q) -> QuerySet[Order]:
    return _locked(Q(pk__in=model._default_manager.filter(where).values("order_id"))).order_by()


def _find(rows: Iterable[M], row_id: str) -> M | None:
    return next((row for row in rows if row.pk == row_id), None)


def expired_unpaid(*, now: datetime, organization_id: str | None = None) -> QuerySet[Order]:
    """Return placed orders whose reservation has expired and that no pending payment may pay."""
    orders = with_lines().filter(
        ~payments.selectors.blocks_expiry(now),
        status=Order.Status.PLACED,
        reservation_expires_at__lte=now,
    )
    if organization_id:
        orders = orders.filter(organization_id=organization_id)
    return orders.order_by("reservation_expires_at")


def expired_pending(*, now: datetime, organization_id: str | None = None) -> QuerySet[Order]:
    """Return orders that were not placed within their organization's number of days."""
    policy = Policy.objects.filter(organization_id=OuterRef("organization_id"))
    days = Coalesce(Subquery(policy.values("pending_order_days")), settings.PENDING_ORDER_DAYS)
    due = F("created_at") + ExpressionWrapper(days * timedelta(days=1), DurationField())
    orders = with_lines().filter(status=Order.Status.PENDING)
    orders = orders.alias(due=ExpressionWrapper(due, DateTimeField())).filter(due__lte=now)
    if organization_id:
        orders = orders.filter(organization_id=organization_id)
    return orders.order_by("created_at")


def to_erase(*, now: datetime) -> QuerySet[Order]:
    """Return finished orders that did not change for PERSONAL_DATA_KEEP_DAYS, the oldest first."""
    if settings.PERSONAL_DATA_KEEP_DAYS is None:
        return Order.objects.none()
    orders = Order.objects.filter(
        status__in=[Order.Status.DELIVERED, Order.Status.CANCELLED],
        erased_at=None,
        updated_at__lt=now - timedelta(days=settings.PERSONAL_DATA_KEEP_DAYS),
    )
    return orders.order_by("updated_at")


def reservation_ttl_minutes(rules: Policy, payment_method: str | None, time_zone: str) -> int:
    """Return for how long an organization reserves stock for an order that is unpaid now."""
    if payment_method == Order.PaymentMethod.MANUAL:
        days, now = payments.selectors.manual_payment_days(rules.organization_id), timezone.now()
        return (clock.days_later(now, days, time_zone) - now) // timedelta(minutes=1)
    return rules.reservation_ttl_minutes or settings.RESERVATION_TTL_MINUTES


def policy(organization_id: str) -> Policy:
    """Return an organization's rules, or the defaults."""
    found = Policy.objects.filter(pk=organization_id).first()
    return found or Policy(organization_id=organization_id)


def tax_inclusive_by_policy(organization_id: str) -> Expression:
    """Return whether an organization's prices include tax, to be read by the statement of a row."""
    rows = f"SELECT tax_inclusive FROM {Policy._meta.db_table} WHERE organization_id = %s"
    return Coalesce(RawSQL(f"({rows})", [organization_id]), Value(False))


def reservation_timeout(organization_id: str) -> timedelta | None:
    """Return how long a paid order waits for its reservation; None if it needs none."""
    rules = policy(organization_id)
    minutes = rules.reservation_timeout_minutes or settings.RESERVATION_TIMEOUT_MINUTES
    is_optional = rules.reservation == Policy.Reservation.OPTIONAL
    return None if is_optional else timedelta(minutes=minutes)


def was_reserved(order: Order, reservation_id: str) -> bool:
    """Return whether the order has ever held the reservation."""
    if order.reservation_id is None:
        return False
    names = [OrderReserved.name, OrderBackorderReserved.name]
    rows = EventRecord.objects.filter(stream=order.id, name__in=names)
    for row in rows:
        match schema.parse(row.name, row.body):
            case OrderReserved() | OrderBackorderReserved() as event:
                if event.reservation_id == reservation_id:
                    return True
    return False


def unreserved(*, now: datetime, organization_id: str | None = None) -> QuerySet[Order]:
    """Return paid orders that Inventory should have reserved by `now`, and that are not on hold."""
    orders = with_lines().filter(
        status=Order.Status.PAID, held_at=None, reservation_due_at__lte=now
    )
    if organization_id:
        orders = orders.filter(organization_id=organization_id)
    return orders.order_by("reservation_due_at")


def dispatches(order: Order, shipment_id: str) -> list[Dispatch]:
    """Return the units that left in a shipment, by line. Raises UnknownShipment."""
    rows = list(order.dispatches.filter(shipment_id=shipment_id).order_by("id"))
    if not rows:
        raise UnknownShipment(f"No units of {order.id} were shipped in {shipment_id}.")
    return rows


def arrived_dispatches(order: Order) -> list[list[Dispatch]]:
    """Return the units of delivered shipments that are to be sent again, for each shipment."""
    rows = order.dispatches.filter(delivered_at__isnull=False, reopened_quantity__gt=0)
    shipments = groupby(rows.order_by("shipment_id", "id"), key=lambda row: row.shipment_id)
    return [list(dispatches) for _, dispatches in shipments]


def delivered_at(order: Order) -> dict[str, datetime]:
    """Return the time of each line's latest delivery, by the line's id."""
    delivered = order.dispatches.filter(
        delivered_at__isnull=False, reopened_quantity__lt=F("quantity")
    ).values_list("order_item")
    return dict(delivered.annotate(Max("delivered_at")))


def unreleased_write_offs(order: Order) -> list[WriteOff]:
    """Return the write-offs whose stock no operator has released in Inventory yet."""
    rows = order.write_offs.filter(released_at__isnull=True)
    return list(rows.select_related("order_item").order_by("id"))


def held_by_inventory(order: Order) -> Stock:
    """Return the stock that Inventory holds for an order, by the events that it received.

    It receives an internal event only if that was published. It also knows its own reservations,
    and what an operator released there.
    """
    held: Stock = Counter()
    if not order.placed_at:
        return held
    names = [event.name for event in STOCK_EVENTS]
    rows = EventRecord.objects.filter(stream=order.id, name__in=names)
    own = [each.name for each in (OrderReserved, OrderBackorderReserved, OrderUnitsReleased)]
    known = Q(sequence__isnull=False) | Q(name__in=own)
    for row in rows.filter(known).order_by("number"):
        match schema.parse(row.name, row.body):
            case OrderPlaced(items=items):
                held = Counter()
                for item in items:
                    held[item.variant_id, item.preferred_warehouse_id] += item.quantity
            case OrderReserved(allocations=items) | OrderConfirmed(items=items):
                held = _stock(items)
            case OrderShipped(shipped_items=items):
                held.subtract(_stock(items))
            case (
                OrderUnitsWrittenOff(items=items)
                | OrderUnitsRecovered(items=items)
                | OrderUnitsReleased(items=items)
            ):
                held.subtract(_stock(items))
            case OrderUnitsReopened(items=items) | OrderBackorderReserved(allocations=items):
                held.update(_stock(items))
            case FulfillmentUnitsMoved() as moved:
                for unit in moved.items:
                    held[unit.variant_id, moved.warehouse_id] -= unit.quantity
                    held[unit.variant_id, moved.to_warehouse_id] += unit.quantity
    return held


def _stock(items: Iterable[StockItem | StockUnits]) -> Stock:
    stock: Stock = Counter()
    for item in items:
        stock[item.variant_id, item.warehouse_id] += item.quantity
    return stock


def is_on_account(payment_method: str | None) -> bool:
    """Return whether an order with this method is confirmed before it is paid."""
    return payment_method in Order.PaymentMethod.on_account()


def amount_due(order: PaymentTotals) -> Decimal:
    """Return what the customer still has to pay."""
    if order.status in (Order.Status.PENDING, Order.Status.CANCELLED):
        return Decimal(0)
    captured = order.captured if order.confirmed_at else order.captured - order.refunded
    return max(order.total - order.waived - captured, Decimal(0))


def payment_status(
    order: PaymentTotals,
) -> Literal[
    "not_required",
    "unpaid",
    "authorized",
    "partially_paid",
    "paid",
    "partially_refunded",
    "refunded",
]:
    """Return whether the order is paid, and whether its payments were refunded."""
    captured, refunded, due = order.captured, order.refunded, order.total - order.waived
    if not order.confirmed_at and order.status != Order.Status.CANCELLED:
        captured, refunded = captured - refunded, Decimal(0)  # it is due again
    if order.authorized and captured + order.authorized >= due:
        return "authorized"
    if not captured:
        return "unpaid" if due > 0 else "not_required"
    if captured - refunded >= due:
        return "paid"  # more was captured than the total, or nothing is refunded
    if refunded:
        return "refunded" if refunded >= captured else "partially_refunded"
    return "partially_paid"


def fulfillment_status(
    order: Order,
) -> Literal["unfulfilled", "partially_shipped", "shipped", "partially_delivered", "delivered"]:
    """Return how many of the active units are shipped or delivered."""
    active = order.quantities.total("active_quantity")
    if delivered := order.quantities.total("delivered"):
        return "delivered" if delivered == active else "partially_delivered"
    if shipped := order.quantities.total("shipped"):
        return "shipped" if shipped == active else "partially_shipped"
    return "unfulfilled"


def return_status(order: Order) -> Literal["none", "partially_returned", "returned"]:
    """Return how many of the delivered units were returned."""
    returned = order.quantities.total("returned")
    if not returned:
        return "none"
    is_all = returned == order.quantities.total("delivered")
    return "returned" if is_all else "partially_returned"
