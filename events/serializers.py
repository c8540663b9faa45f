"""What the API shows of an aggregate's transitions."""

from typing import Any, cast

from rest_framework import serializers

from config.api.errors import ErrorExample
from config.core.ids import PublicIdField
from events.aggregate import Aggregate, InvalidTransition


class AllowedActions(serializers.ListField):
    """The verbs of the aggregate's transition table that are possible now."""

    def __init__(self, aggregate: type[Aggregate], **kwargs: Any) -> None:
        verbs = dict.fromkeys(row.verb for row in aggregate.transitions() if row.verb)
        super().__init__(child=serializers.ChoiceField(list(verbs)), **kwargs)


def invalid_transition(aggregate: type[Aggregate], verb: str) -> ErrorExample:
    """Return the error of an operation whose transition the aggregate's status does not allow."""
    row = next(row for row in aggregate.transitions() if row.verb == verb)
    final = [status for status in aggregate.terminal_statuses if status not in row.source]
    prefix = cast(PublicIdField, aggregate._meta.pk).prefix
    detail = (
        f"Cannot {row.name.replace('_', ' ')} {prefix}_01JCZ5B2QH8M3T6R9W1K4X7V0B: "
        f"it is {min(final)}."
    )
    return ErrorExample.of(InvalidTransition)._replace(
        detail=detail, members={"allowed_actions": []}
    )
