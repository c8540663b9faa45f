"""What an operator can do to a row: a button, a form, and the service behind it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework.serializers import Serializer

from config.admin.forms import Choices, CommandForm
from config.api.serializers import StrictSerializer


def _nothing(row: Any) -> Mapping[str, Any]:
    return {}


def no_input(request: HttpRequest) -> Mapping[str, str]:
    """What to give to a command that runs on many rows and asks for nothing."""
    return {}


@dataclass(frozen=True)
class Command:
    """`run(row, body)` calls the service with what the serializer `asks` for.

    `start(row)` says what the form holds at first, `choices(row)` what there is to choose from in
    fields that take an id. `ends` marks what cannot be undone; `permission` is what an
    operator needs besides the one to change such rows.

    One with `bulk` may also run on many rows of the list: `bulk(request)` is what would be typed
    into the form, each value under its field's name. Whoever sends a list twice runs it twice, so
    it must be a command of which a repeat is no harm.
    """

    run: Callable[[Any, dict[str, Any]], object]
    asks: type[Serializer[Any]] = StrictSerializer
    start: Callable[[Any], Mapping[str, Any]] = _nothing
    choices: Callable[[Any], Choices] = _nothing
    icon: str = "play_arrow"
    ends: bool = False
    bulk: Callable[[HttpRequest], Mapping[str, str]] | None = None
    permission: str | None = None

    def is_open_to(self, user: Any) -> bool:
        """Whether an operator who may change such rows may do this too."""
        return self.permission is None or bool(user.has_perm(self.permission))

    def form(self, row: Any, data: Any = None) -> CommandForm:
        """Return the form, filled with what was sent if anything was."""
        return CommandForm(
            self.asks,
            start=self.start(row),
            choices=self.choices(row),
            context={"view": _SameOrganization(row)},
            data=data,
        )


@dataclass(frozen=True)
class _SameOrganization:
    """A command builds on rows of the organization that its own row belongs to, if it has one."""

    row: Any

    def visible(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(organization_id=self.row.organization_id) if self.row else rows
