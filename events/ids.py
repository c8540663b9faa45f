"""Public ids: a prefix that says what it is, and a ULID that says when: `order_01J…`."""

from typing import Any

from django.db import models
from ulid import ULID


def new_id(prefix: str) -> str:
    """Return a new id. Ids made later sort later, to the millisecond."""
    return f"{prefix}_{ULID()}"


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
