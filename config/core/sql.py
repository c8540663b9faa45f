"""Statements that Django writes once for all values.

Django needs twice as long to write a statement as to send it and make objects of the rows. This
module knows no model. What it returns is what the queryset would return.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar, cast

from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models.query import get_related_populators
from django.db.transaction import TransactionManagementError

M = TypeVar("M", bound=models.Model)
SHAPES = 1000  # statements that are kept


class StandIn(str):
    """Stands in a statement for the value that has this number in a call."""


class Statement(NamedTuple):
    """A statement, and how its rows become objects."""

    sql: str
    params: tuple[Any, ...]
    values: int  # stand-ins among the params
    compiler: Any
    columns: tuple[int, int]  # those of the model; those of related ones follow
    fields: list[str]


def rows(build: Callable[..., models.QuerySet[M]], *arguments: Any, where: models.Q) -> list[M]:
    """Return the rows of `build(*arguments, where)`, a queryset that is built once for each shape.

    The texts in `where`, also those in lists, may be others each time. Their lookups must be exact.
    Raises TransactionManagementError if rows are to be locked outside of a transaction.
    """
    values: list[str] = []
    try:
        statement = _statement(build, arguments, _without_values(where, values))
    except EmptyResultSet:
        return []
    if len(values) != statement.values:
        raise TypeError(f"A text is not compared as it is: {where}")
    compiler, model = statement.compiler, statement.compiler.query.model
    if compiler.query.select_for_update and not connection.in_atomic_block:
        raise TransactionManagementError("A row is locked in a transaction only.")
    params = [values[int(p)] if isinstance(p, StandIn) else p for p in statement.params]
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, params)
        found: Any = cursor.fetchall()
    if converters := compiler.get_converters([column for column, _, _ in compiler.select]):
        found = compiler.apply_converters(map(list, found), converters)
    related: Any = get_related_populators  # the stubs are those of another version
    populators = related(compiler.klass_info, compiler.select, connection.alias)
    first, last = statement.columns
    objects = []
    for row in found:
        each = model.from_db(connection.alias, statement.fields, row[first:last])
        for populator in populators:
            populator.populate(row, each)
        for name, position in (compiler.annotation_col_map or {}).items():
            setattr(each, name, row[position])
        objects.append(each)
    return objects


def _without_values(where: models.Q, values: list[str]) -> models.Q:
    """Return the condition with stand-ins for its texts, which are added to `values`."""

    def stand_in(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return tuple(map(stand_in, value))
        if value is None:
            return None  # a condition of its own
        if not isinstance(value, str):
            raise TypeError(f"{value!r} is no text.")
        values.append(value)
        return StandIn(len(values) - 1)

    children: list[Any] = []
    for child in where.children:
        if isinstance(child, models.Q):
            children.append(_without_values(child, values))
        else:
            name, value = cast(tuple[str, Any], child)
            children.append((name, stand_in(value)))
    return models.Q(*children, _connector=where.connector, _negated=where.negated)


@lru_cache(SHAPES)
def _statement(
    build: Callable[..., models.QuerySet[Any]], arguments: tuple[Any, ...], where: models.Q
) -> Statement:
    queryset: Any = build(*arguments, where)
    if queryset._prefetch_related_lookups:
        raise TypeError(f"What {build} prefetches would not be read.")
    compiler = queryset.query.get_compiler(connection=connection)
    sql, params = compiler.as_sql()
    values = sum(isinstance(param, StandIn) for param in params)
    own = compiler.klass_info["select_fields"]
    first, last = own[0], own[-1] + 1
    fields = [column.target.attname for column, _, _ in compiler.select[first:last]]
    return Statement(sql, params, values, compiler, (first, last), fields)
