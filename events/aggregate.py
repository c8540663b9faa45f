"""Aggregates: state that moves only by transitions, each of which records a fact."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NoReturn

from django.apps import apps
from django.db import models, transaction
from django.utils import timezone

from config.core.exceptions import Conflict
from events.schema import Event


class InvalidTransition(Conflict):
    """The state that the aggregate is in, or a guard, does not allow what was asked."""

    code = "invalid_transition"


@dataclass(frozen=True)
class Transition:
    """A row of an aggregate's transition table; `target` None keeps the status.

    `verb` is the name under which clients and operators may ask for it. Each guard's docstring
    says what must be true.
    """

    name: str
    source: tuple[str, ...]
    target: str | None
    emits: type[Event]
    verb: str | None
    guards: tuple[Callable[[Any], bool], ...]

    def blocked_by(self, aggregate: "Aggregate") -> str | None:
        """Return why it is not allowed now, or None."""
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
    """Make a method the only way from `source` to `target`.

    The method may refuse, changes the fields, and returns the fact where `emits.of(aggregate)`
    does not know enough to tell it.
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
                    f"Cannot {row.name.replace('_', ' ')} {self.pk}: {why}.",
                    allowed_actions=self.allowed_actions(),
                )
            fact = method(self, **kwargs)
            if target is not None:
                self.status = target
            self.record(fact or emits.of(self))  # type: ignore[attr-defined]

        move.transition = row  # type: ignore[attr-defined]
        return move

    return decorate


class AggregateQuerySet(models.QuerySet[Any]):
    """Reads. What writes past `save()` would change state without a fact."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(
            f"{self.model.__name__} changes only by its transitions and save(): "
            "anything else would change state without an event."
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


class Aggregate(models.Model):
    """A root: the unit of locking, of state, and of the facts that its context records."""

    created_event: ClassVar[type[Event]]  # the fact with which one comes to be
    terminal_statuses: ClassVar[
        frozenset[str]
    ]  # statuses in which nobody waits for anything to happen
    stream_field: ClassVar[str] = "pk"  # of the order or the cart whose story it is part of
    status: Any
    organization_id = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = AggregateQuerySet.as_manager()

    class Meta:
        abstract = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._facts: list[tuple[Event, datetime]] = []
        self._changed_parts: dict[type[Part], dict[int, Part]] = {}
        self._deleted_parts: dict[type[Part], dict[int, Part]] = {}

    @property
    def stream(self) -> str:
        """The stream that its facts go into."""
        return str(getattr(self, self.stream_field))

    @classmethod
    def unfinished(cls) -> models.Q:
        """Return which rows are not at their end."""
        return ~models.Q(status__in=cls.terminal_statuses)

    @property
    def has_pending_events(self) -> bool:
        """Whether something has happened since the last save."""
        return bool(self._facts)

    def record(self, fact: Event) -> None:
        """Remember what happened until the aggregate is saved."""
        self._facts.append((fact, fact.happened_at or timezone.now()))

    def pull_events(self) -> list[tuple[Event, datetime]]:
        """Hand over what happened since the last save, with when; once."""
        facts, self._facts = self._facts, []
        return facts

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
        """Save parts, row and events in one transaction, so that a crash cannot separate them."""
        with transaction.atomic(savepoint=False):
            self._write_parts()
            super().save(**kwargs)

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
        """Facts stay facts: nothing that happened is deleted."""
        raise TypeError(f"{type(self).__name__} cannot be deleted.")

    @classmethod
    def transitions(cls) -> list[Transition]:
        """Return the transition table, inherited rows first, in the order of the class bodies."""
        members: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            members |= vars(base)
        return [member.transition for member in members.values() if hasattr(member, "transition")]

    def allowed_actions(self) -> list[str]:
        """Return the verbs that would be accepted now."""
        verbs = [row.verb for row in self.transitions() if row.verb and not row.blocked_by(self)]
        return list(dict.fromkeys(verbs))


def aggregates() -> list[type[Aggregate]]:
    """Return the aggregates of all contexts."""
    return [model for model in apps.get_models() if issubclass(model, Aggregate)]
