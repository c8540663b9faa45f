"""Checks that the rows attached to a unit of work are the rows in the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, models, transaction

from config.core import unit_of_work
from events.aggregate import Aggregate
from events.viewsets import AggregateViewSet

Values = dict[str, Any]


class CheckedTransactions:
    """Takes the place of `django.db.transaction` for units of work."""

    set_rollback = staticmethod(transaction.set_rollback)

    @contextmanager
    def atomic(self, *, savepoint: bool | None = None) -> Iterator[None]:
        """Begin a unit of work, or without an argument take a savepoint in one."""
        with transaction.atomic(savepoint=savepoint is not False):
            yield
            if savepoint is not None and not connection.needs_rollback:
                expect_all_stored()


def expect_all_stored() -> None:
    for row in list((unit_of_work._rows() or {}).values()):
        expect_stored(row)


def expect_stored(row: Any) -> None:
    """Compare a row, and the parts that it has loaded, with the database."""
    unsaved = [row._events, row._changed_parts, row._deleted_parts]
    assert not any(unsaved), f"{row.pk} is not saved"
    assert values_of(row) == values_of(type(row)._base_manager.get(pk=row.pk))
    for model, parts in loaded_parts(row).items():
        [key] = [field for field in model._meta.concrete_fields if field.related_model is type(row)]
        stored = model._base_manager.filter(**{key.attname: row.pk})
        assert sorted_values(parts) == sorted_values(stored), (row.pk, model)


def loaded_parts(row: Aggregate) -> dict[type[models.Model], list[Any]]:
    """Return the lists of parts that were loaded, by their model."""
    relations = {r.get_accessor_name(): r.related_model for r in row._meta.related_objects}
    prefetched = getattr(row, "_prefetched_objects_cache", {})
    parts = {relations[name]: list(rows) for name, rows in prefetched.items()}
    for each in row.part_lists():
        if each.name in vars(row):
            parts[relations[each.relation]] = vars(row)[each.name]
    return parts


def values_of(row: models.Model) -> Values:
    loaded = row.get_deferred_fields()
    names = [field.attname for field in row._meta.concrete_fields]
    return {name: vars(row)[name] for name in names if name not in loaded}


def sorted_values(rows: Any) -> list[Values]:
    return sorted(map(values_of, rows), key=lambda values: str(values["id"]))


_shown = AggregateViewSet.shown


def shown_as_stored(view: AggregateViewSet, row: models.Model) -> Any:
    """Compare the response made from the row in hand with that of the row read again."""
    for _ in range(2):  # a signed link has the second in which it was made
        in_hand, stored = _shown(view, row), super(AggregateViewSet, view).shown(row)
        if in_hand == stored:
            break
    assert in_hand == stored
    return in_hand
