"""Aggregates: models whose status changes only by transitions that record an event."""

import functools
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, NoReturn, Self, TypeVar, overload

from django.apps import apps
from django.db import models
from django.db.models.signals import post_save
from django.utils import timezone

from config.core import request_context, sql
from config.core.exceptions import Conflict
from config.core.outbound import OutboundCall
from config.core.unit_of_work import (
    all_attached,
    attach,
    attach_all,
    attached,
    is_begun,
    unit_of_work,
)
from events.schema import Event


class InvalidTransition(Conflict):
    """The current state does not allow this action; `detail` says why.

    `allowed_actions` lists what is possible now.
    """

    code = "invalid_transition"


@dataclass(frozen=True)
class Transition:
    """A row of an aggregate's transition table. With `target` None the status stays the same.

    `verb` is the name of the action for clients and operators. A transition without one follows
    from other events. The docstring of a guard states the condition that it checks.
    """

    name: str
    source: tuple[str, ...]
    target: str | None
    emits: type[Event]
    verb: str | None
    guards: tuple[Callable[[Any], bool], ...]

    def blocked_by(self, aggregate: "Aggregate") -> str | None:
        """Return the reason why the transition is not allowed now, or None."""
        if aggregate.status not in self.source:
            return f"it is {aggregate.status}"
        unmet = (guard for guard in self.guards if not guard(aggregate))
        needs = (f"it is {aggregate.status}, and needs that {guard.__doc__}" for guard in unmet)
        return next(needs, None)


def transition(
    *,
    source: str | Iterable[str],
    target: str | None,
    emits: type[Event],
    verb: str | None = None,
    guards: Iterable[Callable[[Any], bool]] = (),
) -> Callable[[Callable[..., Event | None]], Callable[..., None]]:
    """Turn a method into a transition from `source` to `target` that records an event.

    The method checks its arguments and changes the fields. It returns the event, unless
    `emits.of(aggregate)` can build it from the changed aggregate. Raises InvalidTransition.
    """

    def decorate(method: Callable[..., Event | None]) -> Callable[..., None]:
        row = Transition(
            name=method.__name__,
            source=(source,) if isinstance(source, str) else tuple(source),
            target=target,
            emits=emits,
            verb=verb,
            guards=tuple(guards),
        )

        @functools.wraps(method)
        def move(self: "Aggregate", **kwargs: Any) -> None:
            if why := row.blocked_by(self):
                raise InvalidTransition(
                    f"`{row.verb or row.name}` is not possible for {self.pk}: {why}.",
                    allowed_actions=self.allowed_actions(),
                )
            event = method(self, **kwargs)
            if target is not None:
                self.status = target
            self.record(event or emits.of(self))

        move.transition = row  # type: ignore[attr-defined]
        return move

    return decorate


class AggregateQuerySet(models.QuerySet[Any]):
    """Queries. Methods that write without `save()` raise TypeError: they would skip the events."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(
            f"{self.model.__name__} changes only by its transitions and save(), so that every "
            "change is an event."
        )

    update = bulk_create = bulk_update = delete = _refuse


class Part(models.Model):
    """A row that belongs to an aggregate and is saved with it: see `Aggregate.save_part`.

    Parts are written in one statement for each model, which sends no `post_save` signals.
    `UPDATE_FIELDS` names the columns that change once the part exists; by default all may.
    """

    UPDATE_FIELDS: ClassVar[tuple[str, ...]] = ()

    class Meta:
        abstract = True

    def siblings(self) -> "Iterable[Part]":
        """Return the parts whose own parts are read together: see `PartList`."""
        return [self]


P = TypeVar("P", bound=Part)


class PartList(Generic[P]):
    """The parts of an aggregate in a list, in the order of their model; or the parts of a part.

    They are read when they are first asked for, together with those of the row's `siblings`.
    `related` is a foreign key of the parts that is read with them. A transition adds new parts to
    the list.
    """

    def __init__(self, relation: str, *, related: str | None = None) -> None:
        self.relation, self.related = relation, related

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, row: None, owner: type) -> Self: ...
    @overload
    def __get__(self, row: "Aggregate | Part", owner: type) -> list[P]: ...
    def __get__(self, row: "Aggregate | Part | None", owner: type) -> Self | list[P]:
        if row is None:
            return self
        if self.name not in vars(row):
            self._read(row)
        parts: list[P] = vars(row)[self.name]
        return parts

    def __set__(self, row: "Aggregate | Part", parts: list[P]) -> None:
        vars(row)[self.name] = parts

    def loaded(self, row: "Aggregate | Part") -> list[P]:
        """Return the parts if they were read or are new; others have not changed."""
        parts: list[P] = vars(row).get(self.name, [])
        return parts

    def _read(self, row: "Aggregate | Part") -> None:
        if self.relation in getattr(row, "_prefetched_objects_cache", ()):
            self.__set__(row, list(getattr(row, self.relation).all()))
            return
        siblings: list[Any] = list(row.siblings())
        if not any(each is row for each in siblings):  # but another copy of it
            siblings = [row]
        owners = [each for each in siblings if each is row or self.name not in vars(each)]
        for owner in owners:
            self.__set__(owner, [])
        relation: models.ManyToOneRel = row._meta.get_field(self.relation)  # type: ignore[assignment]
        owner_of = {owner.pk: owner for owner in owners}
        where = models.Q(**{f"{relation.field.name}__in": list(owner_of)})
        for part in sql.rows(_parts, relation.related_model, self.related, where=where):
            owner = owner_of[getattr(part, relation.field.attname)]
            setattr(part, relation.field.name, owner)
            vars(owner)[self.name].append(part)


def _parts(model: type[P], related: str | None, where: models.Q) -> models.QuerySet[P]:
    parts = model._default_manager.filter(where)
    return parts.select_related(related) if related else parts


class Aggregate(models.Model):
    """The root of an aggregate: what is locked, changes its status, and records events."""

    created_event: ClassVar[type[Event]]  # the first event of each
    terminal_statuses: ClassVar[frozenset[str]]  # no further transition is expected
    stream_field: ClassVar[str] = "pk"  # the id of the order or cart whose stream has its events
    owner_path: ClassVar[str | None] = None  # to its `customer_id` and `session_id`, if it has some
    status: Any
    organization_id = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = AggregateQuerySet.as_manager()

    class Meta:
        abstract = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._events: list[tuple[Event, datetime]] = []
        self._changed_parts: dict[type[Part], dict[int, Part]] = {}
        self._deleted_parts: dict[type[Part], dict[int, Part]] = {}
        self._stored: dict[str, Any] = {}  # the values of the columns that are in the database
        self._is_outdated = False

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> "Aggregate":
        row = super().from_db(*args, **kwargs)
        row._remember_stored()
        return row

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        super().refresh_from_db(*args, **kwargs)
        self._remember_stored()
        for parts in self.part_lists():  # read again when they are asked for
            vars(self).pop(parts.name, None)

    def _remember_stored(self) -> None:
        # JSON is copied, because it may be changed in place.
        self._stored = {
            field.attname: copy(value) if isinstance(value, dict | list) else value
            for field, value in self._columns()
        }

    def _columns(self) -> "Iterator[tuple[models.Field[Any, Any], Any]]":
        values = vars(self)
        for field in self._meta.concrete_fields:
            if field.attname in values:  # else it is deferred
                yield field, values[field.attname]

    def _changed_columns(self) -> list[str]:
        """Return the names of the fields whose values are not in the database.

        `updated_at` gets its value when the row is written.
        """
        stored, none = self._stored, object()
        return [
            field.name
            for field, value in self._columns()
            if field.name != "updated_at" and stored.get(field.attname, none) != value
        ]

    @property
    def stream(self) -> str:
        """The stream that its events are written to."""
        return str(getattr(self, self.stream_field))

    def siblings(self) -> "list[Aggregate]":
        """Return the rows whose parts are read together: those of the stream that are attached."""
        if attached(type(self), self.pk) is not self:
            return [self]
        return [row for row in all_attached(type(self)) if row.stream == self.stream]

    @classmethod
    def unfinished(cls) -> models.Q:
        """Return a condition: the rows for which further transitions are expected."""
        return ~models.Q(status__in=cls.terminal_statuses)

    @property
    def has_pending_events(self) -> bool:
        """Whether events were recorded since the last `save()`."""
        return bool(self._events)

    def record(self, event: Event) -> None:
        """Record an event; the next `save()` writes it to the outbox."""
        self._expect_current()
        self._events.append((event, event.happened_at or request_context.now()))

    def pull_events(self) -> list[tuple[Event, datetime]]:
        """Return the recorded events with the moments when they happened, and forget them."""
        events, self._events = self._events, []
        return events

    def mark_outdated(self) -> None:
        """Refuse further events and saves: a reaction that changed the row was rolled back."""
        self._is_outdated = True

    def _expect_current(self) -> None:
        if self._is_outdated:
            raise TypeError(f"A change of {self.pk} was rolled back: load it again.")

    @classmethod
    def part_lists(cls) -> list[PartList[Any]]:
        """Return the lists of parts that its rows have."""
        return [each for each in vars(cls).values() if isinstance(each, PartList)]

    def save_part(self, *parts: Part) -> None:
        """Write new or changed parts with the next `save()`."""
        for part in parts:
            self._changed_parts.setdefault(type(part), {})[id(part)] = part

    def delete_part(self, *parts: Part) -> None:
        """Delete parts with the next `save()`, before changed ones are written."""
        for part in parts:
            self._changed_parts.get(type(part), {}).pop(id(part), None)
            self._deleted_parts.setdefault(type(part), {})[id(part)] = part

    def save(self, **kwargs: Any) -> None:
        """Save parts, row and events in one transaction, so that a crash cannot separate them.

        Of an existing row, the columns that changed are written. The reactions to the events run in
        it; if one fails, nothing is attached any more: ask for the rows again.
        """
        self._expect_current()
        if is_begun() and not self._state.adding and attached(type(self), self.pk) is not self:
            raise TypeError(f"{self.pk} is not locked, or another copy of it is: change that one.")
        with unit_of_work():
            attach(self)
            self._write_parts()
            if self._state.adding:
                attach_all(None, self.pk)
                for parts in self.part_lists():
                    vars(self).setdefault(parts.name, [])  # a new row has no others
                self._remember_stored()
                super().save(**kwargs)
                return
            changed = self._changed_columns()
            # Clients filter by it. What changes without an event in a row with calls is about them.
            if self._events or (changed and not isinstance(self, OutboundCall)):
                changed.append("updated_at")
            self._remember_stored()
            if changed:
                super().save(update_fields=changed)
            else:  # only parts have changed, which concerns the receivers of the signal too
                post_save.send(type(self), instance=self, created=False, raw=False)

    def _write_parts(self) -> None:
        deleted, self._deleted_parts = self._deleted_parts, {}
        changed, self._changed_parts = self._changed_parts, {}
        for model, parts in deleted.items():
            model._default_manager.filter(pk__in=[part.pk for part in parts.values()]).delete()
        for model, parts in changed.items():
            columns = [field.name for field in model._meta.concrete_fields if not field.primary_key]
            model._default_manager.bulk_create(
                parts.values(),
                update_conflicts=True,
                unique_fields=[model._meta.pk.name],
                update_fields=model.UPDATE_FIELDS or columns,
            )

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise TypeError: the log refers to every aggregate."""
        raise TypeError(f"{type(self).__name__} cannot be deleted.")

    @classmethod
    def transitions(cls) -> list[Transition]:
        """Return the transition table, inherited rows first, in the order of the class bodies."""
        members: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            members |= vars(base)
        return [member.transition for member in members.values() if hasattr(member, "transition")]

    def allowed_actions(self) -> list[str]:
        """Return the verbs of the transitions that are allowed now."""
        verbs = [row.verb for row in self.transitions() if row.verb and not row.blocked_by(self)]
        return list(dict.fromkeys(verbs))


def aggregates() -> list[type[Aggregate]]:
    """Return the aggregate models of all contexts."""
    return [model for model in apps.get_models() if issubclass(model, Aggregate)]
