"""Public ids: a prefix that says what it is, and a ULID that says when: `order_01J…`."""

from datetime import datetime
from typing import Any, Literal

from django.db import models
from django.db.models import QuerySet
from ulid import ULID

SLACK = 3600  # seconds; a row and its id are made in one request, but not at the same moment


def new_id(prefix: str) -> str:
    """Return a new id. Ids made later sort later, to the millisecond."""
    return f"{prefix}_{ULID()}"


def bounded(rows: QuerySet[Any], lookup: Literal["gte", "lt"], moment: datetime) -> QuerySet[Any]:
    """Leave out rows whose ids were made on the other side of `moment`, and well away from it.

    For whoever asks for rows made since or before then: a list, ordered by id, begins where they
    are instead of looking through all that are newer.
    """
    seconds = moment.timestamp() + (SLACK if lookup == "lt" else -SLACK)
    milliseconds = int(max(seconds, 0) * 1000)
    least = ULID.from_bytes(milliseconds.to_bytes(6, "big") + bytes(10))
    return rows.filter(**{f"pk__{lookup}": f"{rows.model._meta.pk.prefix}_{least}"})


class PublicIdField(models.CharField):
    """A primary key that is the id people and payloads use."""

    def __init__(self, prefix: str, *, primary_key: bool = True, **kwargs: Any) -> None:
        self.prefix = prefix
        kwargs |= {"max_length": 40, "editable": False}
        super().__init__(primary_key=primary_key, **kwargs)

    def deconstruct(self) -> Any:
        name, path, _, kwargs = super().deconstruct()
        for given in ("max_length", "editable"):
            kwargs.pop(given, None)
        kwargs["primary_key"] = self.primary_key
        return name, path, [self.prefix], kwargs

    def has_default(self) -> bool:
        return True

    def get_default(self) -> str:
        return new_id(self.prefix)
