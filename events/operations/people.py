"""Exports and erases what the service holds about a person: see `events.people`."""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.core.files.storage import default_storage
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, Q
from django.utils import timezone

from config.core import request_context
from config.core.exceptions import Conflict, Missing
from config.core.outbound import OutboundCall
from config.core.unit_of_work import attach, unit_of_work
from config.pdf.files import revoke_links
from events import schema
from events.aggregate import aggregates
from events.models import AuditEntry, EventRecord, Reaction
from events.people import CustomerErased, Holding, Person, holdings, roots

MAX_LISTED = 10  # rows in an error


class UnknownCustomer(Missing):
    """The organization has no order and no cart of this customer."""


class ErasureBlocked(Conflict):
    """Some of the customer's orders are not finished: `detail` names what to finish first."""

    code = "erasure_blocked"
    example = (
        "Nothing is erased, because the data is still needed. Finish or cancel first: "
        "order_01JCZ5B2QH8M3T6R9W1K4X7V0B is shipped."
    )


class Erasure(NamedTuple):
    """The orders and carts that are without personal data now."""

    erased_at: datetime
    orders: int
    carts: int

    @property
    def text(self) -> str:
        """The result, for an operator."""
        return f"{self.orders} orders and {self.carts} carts are erased."


def export(person: Person) -> dict[str, Any]:
    """Return all rows about the person by the name of their table. Raises UnknownCustomer.

    The values are those of JSON.
    """
    streams = _streams_of(person)
    tables = {
        holding.model._meta.label: [_exported(holding, row) for row in rows]
        for holding in holdings
        if (rows := holding.rows(streams).order_by("pk").values())
    }
    identity = {name: value for name, value in vars(person).items() if value}
    exported = {**identity, "exported_at": timezone.now().replace(microsecond=0), "tables": tables}
    _note("export_customer", person, f"{sum(map(len, tables.values()))} rows were exported.")
    return dict(json.loads(json.dumps(exported, cls=DjangoJSONEncoder)))


def export_owner(*, order_id: str | None = None, cart_id: str | None = None) -> str:
    """Return, as JSON, the export of the person whom an order or a cart belongs to."""
    return json.dumps(export(_owner(order_id or cart_id or "")), ensure_ascii=False, indent=2)


def erase(person: Person) -> Erasure:
    """Erase the personal data in all orders and carts of the person.

    Each order or cart is a transaction under its lock, and records `customer.erased`. Erased data
    that is erased again changes nothing, so an erasure that was interrupted can be repeated.
    Raises UnknownCustomer, ErasureBlocked.
    """
    # Sorted, so that carts come first: a guest's cart is found by the e-mail address in its order.
    streams, now = sorted(_streams_of(person)), timezone.now()
    _expect_finished(streams)
    for stream in streams:
        erase_stream(stream, at=now)
    carts = sum(stream.startswith("cart_") for stream in streams)
    erasure = Erasure(now, len(streams) - carts, carts)
    _note("erase_customer", person, erasure.text)
    return erasure


def _note(action: str, person: Person, result: str) -> None:
    """Record who did it. An e-mail address is not kept: the erasure would not reach it."""
    now = timezone.now()
    identity = {name: value for name, value in vars(person).items() if value and name != "email"}
    AuditEntry.objects.create(
        actor=request_context.current().actor,
        action=action,
        arguments=identity,
        begun_at=now,
        finished_at=now,
        result=result,
    )


def erase_owner(*, order_id: str | None = None, cart_id: str | None = None) -> Erasure:
    """Erase the data of the person whom an order or a cart belongs to. See `erase`."""
    return erase(_owner(order_id or cart_id or ""))


def _owner(stream: str) -> Person:
    row: Any = _root(stream).objects.get(pk=stream)  # type: ignore[attr-defined]
    if row.customer_id:
        return Person(organization_id=row.organization_id, customer_id=row.customer_id)
    email = getattr(row, "customer_email", None)
    return Person(organization_id=row.organization_id, session_id=row.session_id, email=email)


def _root(stream: str) -> type[Model]:
    prefix = stream.partition("_")[0]
    return next(m for m in roots if getattr(m._meta.pk, "prefix", None) == prefix)


def _streams_of(person: Person) -> list[str]:
    found = [pk for find in roots.values() for pk in find(person).values_list("pk", flat=True)]
    if not found:
        raise UnknownCustomer("There is no order and no cart of this customer.")
    return list(dict.fromkeys(found))


def _exported(holding: Holding, row: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if name not in holding.hidden}
    if holding.model is EventRecord:
        shown["body"] = json.loads(row["body"], parse_float=Decimal)
    return shown


def _expect_finished(streams: Sequence[str]) -> None:
    """Raise ErasureBlocked if work is left that may need the data.

    A cart may be open: its rows and events have ids only.
    """
    left = []
    for model in aggregates():
        if model.created_event.stream_type == "order":
            own = model.objects.filter(model.unfinished(), **{f"{model.stream_field}__in": streams})
            left += [f"{pk} is {status}" for pk, status in own.values_list("pk", "status")]
    for holding in holdings:
        if issubclass(holding.model, OutboundCall):
            due = holding.rows(streams).filter(due_at__isnull=False).values_list("pk", flat=True)
            left += [f"{holding.model._meta.verbose_name} {pk} is pending" for pk in due]
    for reaction in Reaction.objects.filter(stream__in=streams).select_related("event"):
        left.append(f"{reaction} is pending")
    if left:
        more = f" and {len(left) - MAX_LISTED} more" if len(left) > MAX_LISTED else ""
        raise ErasureBlocked(
            "Nothing is erased, because the data is still needed. Finish or cancel first: "
            f"{', '.join(left[:MAX_LISTED])}{more}."
        )


@unit_of_work()
def erase_stream(stream: str, *, at: datetime) -> None:
    """Erase the personal data in one order or cart. Raises ErasureBlocked."""
    model: Any = _root(stream)
    model.objects.select_for_update(no_key=True).values_list("pk").get(pk=stream)
    _expect_finished([stream])
    for holding in holdings:
        if holding.has_links:
            revoke_links(holding.rows([stream]).values_list("pk", flat=True))
    changed = sum(_erase_rows(each, stream, at) for each in holdings if _may_hold(each, model))
    changed += _erase_events(stream)
    recorded = EventRecord.objects.filter(stream=stream, name=CustomerErased.name)
    if changed or not recorded.exists():
        root = attach(model.objects.get(pk=stream))  # read after the updates, which `save()` keeps
        root.erase(at=at)
        root.save()


def _may_hold(holding: Holding, root: type[Model]) -> bool:
    """Return whether rows may belong to an order, or to a cart: no cart has rows about an order."""
    others = {model._meta.app_label for model in roots} - {root._meta.app_label}
    return holding.model._meta.app_label not in others


def _erase_rows(holding: Holding, stream: str, at: datetime) -> int:
    """Replace the personal data in the stream's rows; return how many had some."""
    if not holding.erased:
        return 0
    is_erased = Q()
    for column, value in holding.erased.items():
        is_erased &= Q(**{f"{column}__isnull": True} if value is None else {column: value})
    rows = holding.rows([stream]).exclude(is_erased)
    if holding.file:
        for path in rows.exclude(**{holding.file: ""}).values_list(holding.file, flat=True):
            default_storage.delete(path)  # before the row forgets the path
    has_moment = any(field.name == "updated_at" for field in holding.model._meta.fields)
    return rows.update(**holding.erased, **({"updated_at": at} if has_moment else {}))


def _erase_events(stream: str) -> int:
    """Replace the personal data in the stream's events; return how many had some."""
    changed = 0
    names = [name for name, cls in schema.registry.items() if schema.has_personal_data(cls)]
    for record in EventRecord.objects.filter(stream=stream, name__in=names):
        body = schema.erase(record.name, record.body)
        if body != record.body:
            EventRecord.objects.filter(pk=record.pk).update(body=body)
            changed += 1
    return changed
