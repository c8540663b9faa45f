"""Public ids: a prefix for the kind of row, and a ULID for the time of creation: `order_01J…`."""

from datetime import datetime
from typing import Any, Literal

from django.db import models
from django.db.models import QuerySet
from ulid import ULID

TOLERANCE = 3600  # seconds between the creation of an id and of its row, at most


def new_id(prefix: str) -> str:
    """Return a new id. Ids sort by the time of creation, in milliseconds."""
    return f"{prefix}_{ULID()}"


def bounded(rows: QuerySet[Any], lookup: Literal["gte", "lt"], moment: datetime) -> QuerySet[Any]:
    """Exclude rows by their ids: those an hour or more before (`gte`) or after (`lt`) `moment`.

    An optimization for queries by creation time that are ordered by id: PostgreSQL starts reading
    the index near `moment`.
    """
    seconds = moment.timestamp() + (TOLERANCE if lookup == "lt" else -TOLERANCE)
    milliseconds = int(max(seconds, 0) * 1000)
    least = ULID.from_bytes(milliseconds.to_bytes(6, "big") + bytes(10))
    return rows.filter(**{f"pk__{lookup}": f"{rows.model._meta.pk.prefix}_{least}"})


class PublicIdField(models.CharField):
    """A column for a public id, by default the primary key."""

    def __init__(self, prefix: str, *, primary_key: bool = True, **kwargs: Any) -> None:
        self.prefix = prefix
        kwargs |= {"max_length": 40, "editable": False}
        super().__init__(primary_key=primary_key, **kwargs)

    def deconstruct(self) -> Any:
        name, path, _, kwargs = super().deconstruct()
        for fixed in ("max_length", "editable"):
            kwargs.pop(fixed, None)
        kwargs["primary_key"] = self.primary_key
        return name, path, [self.prefix], kwargs

    def has_default(self) -> bool:
        return True

    def get_default(self) -> str:
        return new_id(self.prefix)
