"""What the service holds about a person, table by table.

Each context declares it in its `people.py`: how a customer's orders or carts are found, and the
models whose rows belong to an order or a cart, with the values that replace personal data. The
exports and erasures of `events.operations.people` follow these declarations.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Protocol

from django.db.models import Model, Q, QuerySet
from msgspec import Meta

from events.schema import Event, Id, Timestamp, event


@event("customer.erased", moment="erased_at", published=False)
class CustomerErased(Event):
    """The personal data in this order or cart was erased. Erase your copies of it.

    The earlier events of the stream are without it when they are read or replayed.
    """

    stream_type = "order or cart"

    order_id: Annotated[Id | None, Meta(description="Null in the stream of a cart.")]
    cart_id: Annotated[Id | None, Meta(description="Null in the stream of an order.")]
    customer_id: Annotated[Id | None, Meta(description="Null for a guest.")]
    session_id: Annotated[Id | None, Meta(description="Null unless it was bought in a session.")]
    erased_at: Timestamp


@dataclass(frozen=True, kw_only=True)
class Person:
    """A customer, or a guest, whom a session or an e-mail address identifies."""

    organization_id: str
    customer_id: str | None = None
    session_id: str | None = None
    email: str | None = None

    def owns(self) -> Q:
        """Return a condition: the rows of the organization with the customer or the session.

        What belongs to a customer is not a guest's, who may have used the same browser.
        """
        rows = Q(pk__in=[])
        if self.customer_id:
            rows |= Q(customer_id=self.customer_id)
        if self.session_id:
            rows |= Q(session_id=self.session_id, customer_id=None)
        return Q(rows, organization_id=self.organization_id)


class Root(Protocol):
    """An order or a cart, which belongs to a person and has a stream."""

    organization_id: str
    customer_id: str | None
    session_id: str | None

    def erase(self, *, at: datetime) -> None: ...

    def save(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Holding:
    """A model whose rows belong to orders or carts.

    `belongs_to(streams)` is the condition of the rows that belong to these. `erased` has the value
    that replaces each column with personal data, `hidden` the columns that are not exported. `file`
    is a column with a path in the default storage; the file is deleted. Rows that `has_links` open
    without a token; the links are revoked.
    """

    model: type[Model]
    belongs_to: Callable[[Sequence[str]], Q]
    erased: Mapping[str, Any]
    hidden: frozenset[str]
    file: str | None
    has_links: bool

    def rows(self, streams: Sequence[str]) -> QuerySet[Any, Any]:
        """Return the rows that belong to the orders and carts with these ids."""
        # The manager of an aggregate refuses updates, because each needs an event. The event of an
        # erasure is `customer.erased`.
        rows: QuerySet[Any, Any] = QuerySet(self.model)
        return rows.filter(self.belongs_to(streams))


roots: dict[type[Model], Callable[[Person], QuerySet[Any, Any]]] = {}
holdings: list[Holding] = []


def owned_by(model: type[Model], find: Callable[[Person], QuerySet[Any, Any]]) -> None:
    """Declare that `find` returns a person's rows of `model`, an order or a cart."""
    roots[model] = find


def holds(
    model: type[Model],
    of_stream: str | Callable[[Sequence[str]], Q],
    *,
    erase: Mapping[str, Any] | None = None,
    hide: Sequence[str] = (),
    file: str | None = None,
    has_links: bool = False,
) -> None:
    """Declare that rows of `model` belong to orders or carts: see `Holding`.

    `of_stream` is the field path to the id of the order or the cart, or a condition.
    """
    condition = of_stream if callable(of_stream) else _through(of_stream)
    holdings.append(
        Holding(
            model=model,
            belongs_to=condition,
            erased=erase or {},
            hidden=frozenset(hide),
            file=file,
            has_links=has_links,
        )
    )


def _through(path: str) -> Callable[[Sequence[str]], Q]:
    return lambda streams: Q(**{f"{path}__in": streams})
