"""Commands of operators: a button, a form, and the service behind it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model
from django.utils.functional import Promise
from rest_framework.serializers import Serializer

from config.admin import organizations
from config.admin.forms import Choices, CommandForm
from config.admin.organizations import Organizations
from config.api.serializers import StrictSerializer


def _nothing(row: Any) -> Mapping[str, Any]:
    return {}


def line_choices(name: str, *, key: str) -> Callable[[Any], Choices]:
    """Offer the lines of a row in the field `name`; its value is the attribute `key` of a line."""
    return lambda row: {
        name: [(getattr(line, key), f"{line} ({line.title})") for line in row.lines]
    }


@dataclass(frozen=True)
class Command:
    """A service that an operator may run on a row, with a form for its other arguments.

    The service gets the row's id under the name of its model (`order_id`), and the values that the
    form's serializer validated. Operators read `label` on the button, `description` above the form,
    and `done` after success, where `{row}` is the row. `config.admin.labels` labels the fields.

    `start(row)` returns the form's initial values, `choices(row)` the options of its id fields.
    `ends` marks a command that cannot be undone. `permission` is required in addition to the
    permission to change the row.

    A command with `bulk` may also run on many rows of a list, with an empty form. A list that is
    sent twice runs twice, so such a command must be safe to repeat.
    """

    service: Callable[..., object]
    form_serializer: type[Serializer[Any]] = StrictSerializer
    label: str | Promise = field(kw_only=True)
    done: str | Promise = field(kw_only=True)
    description: str | Promise = field(kw_only=True)
    start: Callable[[Any], Mapping[str, Any]] = _nothing
    choices: Callable[[Any], Choices] = _nothing
    icon: str = "play_arrow"
    ends: bool = False
    bulk: bool = False
    permission: str | None = None

    def run(self, row: Model | None, body: Mapping[str, Any]) -> Any:
        """Call the service; `row` is None for a command that adds one."""
        row_id = {f"{row._meta.model_name}_id": row.pk} if row else {}
        return self.service(**row_id, **body)

    def organizations(self, user: Any) -> Organizations:
        """Return where an operator who may change such rows may also run the command."""
        if self.permission is None:
            return organizations.ALL
        return organizations.permitted(user, self.permission)

    def form(self, row: Any, data: Any = None, *, within: Organizations) -> CommandForm:
        """Return the form for a row, with the submitted `data` if there is any.

        It accepts the ids of rows of the organizations `within` only.
        """
        return CommandForm(
            self.form_serializer,
            start=self.start(row),
            choices=self.choices(row),
            context={"view": within},
            data=data,
        )
