"""The views of an aggregate."""

from dataclasses import replace
from typing import Any, cast

from rest_framework.mixins import ListModelMixin, RetrieveModelMixin

from config.api.errors import ErrorExample
from config.api.operations import Operation, declared, example_response
from config.api.views import ContextViewSet
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
                errors = _invalid_transition(cast(Any, cls.queryset).model, verb, operation)
                declared.update({error.code: error for error in errors})
                action.operation = replace(operation, errors=(*errors, *operation.errors))


def _invalid_transition(
    aggregate: type[Aggregate], verb: str, operation: Operation
) -> list[ErrorExample]:
    """Return the error for a status that does not allow the verb, if there is such a status."""
    sources = [row.source for row in aggregate.transitions() if row.verb == verb]
    refused = aggregate.terminal_statuses.difference(*sources)
    if not (sources and refused):
        return []
    row_id = example_response(aggregate, None)["id"]
    return [
        ErrorExample.of(InvalidTransition)._replace(
            detail=f"`{verb}` is not possible for {row_id}: it is "
            f"{operation.blocked_status or min(refused)}.",
            members={"allowed_actions": list(operation.allowed_actions)},
        )
    ]
