"""The views of an aggregate."""

from dataclasses import replace
from typing import Any, cast

from rest_framework.mixins import ListModelMixin, RetrieveModelMixin

from config.api.errors import ErrorExample
from config.api.operations import Operation, declared
from config.api.views import ContextViewSet
from config.core.ids import PublicIdField
from events.aggregate import Aggregate, InvalidTransition


class AggregateViewSet(ListModelMixin, RetrieveModelMixin, ContextViewSet):
    """Lists the rows, shows one, and runs commands on it.

    An action whose name is a verb of the transition table documents `invalid_transition`; one
    with another name declares its `verb`.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, action in vars(cls).items():
            operation = getattr(action, "operation", None)
            if isinstance(operation, Operation):
                verb = operation.verb or str(getattr(action, "url_path", name))
                errors = _invalid_transition(cast(Any, cls.queryset).model, verb)
                declared.update({error.code: error for error in errors})
                action.operation = replace(operation, errors=(*errors, *operation.errors))


def _invalid_transition(aggregate: type[Aggregate], verb: str) -> list[ErrorExample]:
    """Return the error for a status that does not allow the verb, if there is such a status."""
    row = next((row for row in aggregate.transitions() if row.verb == verb), None)
    refused = aggregate.terminal_statuses.difference(row.source if row else ())
    if row is None or not refused:
        return []
    prefix = cast(PublicIdField, aggregate._meta.pk).prefix
    detail = (
        f"Cannot {row.name.replace('_', ' ')} {prefix}_01JCZ5B2QH8M3T6R9W1K4X7V0B: "
        f"it is {min(refused)}."
    )
    example = ErrorExample.of(InvalidTransition)
    return [example._replace(detail=detail, members={"allowed_actions": []})]
