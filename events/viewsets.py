"""The views of an aggregate."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, PositiveIntegerField, QuerySet, Sum
from django.http import Http404
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.permissions import SAFE_METHODS
from rest_framework.serializers import Serializer

from config.api.errors import ErrorExample
from config.api.operations import Operation, declared, example_response
from config.api.serializers import without
from config.api.views import ContextViewSet
from config.core.unit_of_work import attached
from events.aggregate import Aggregate, InvalidTransition


class AggregateViewSet(ListModelMixin, RetrieveModelMixin, ContextViewSet):
    """Lists the rows, shows one, and runs commands on it.

    An action whose name is a verb of the transition table documents `invalid_transition`; one
    with another name declares its `verb`.

    `get_for_update` is that of the context's selectors. `complete` adds to a row that was changed
    what only a response shows of it.

    `lines` are the fields that hold the row's lines. A list has them only with `expand=` the first
    of these; without, it reads `summaries`, the rows without their lines, and shows them with
    `summary_class`. Each is by default that of one row.
    """

    get_for_update: ClassVar[Any]  # of a row that the caller may see
    complete: ClassVar[Callable[..., Any]] = staticmethod(lambda row: row)
    lines: ClassVar[tuple[str, ...]] = ()
    summaries: ClassVar[QuerySet[Any] | None] = None
    summary_class: ClassVar[type[Serializer[Any]] | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, action in vars(cls).items():
            operation = getattr(action, "operation", None)
            if isinstance(operation, Operation):
                verb = operation.verb or str(getattr(action, "url_path", name))
                errors = _invalid_transition(cast(Any, cls.queryset).model, verb, operation)
                declared.update({error.code: error for error in errors})
                action.operation = replace(operation, errors=(*errors, *operation.errors))

    def get_object(self) -> Any:
        """Return the row of the URL. A command gets it locked, as the consequences will find it."""
        if self.request.method in SAFE_METHODS:
            return super().get_object()
        try:
            visible = self.visible_of(cast(Any, type(self).queryset).model)
            return self.get_for_update(self.kwargs["pk"], visible)
        except ObjectDoesNotExist:
            raise Http404 from None

    def shown(self, row: Model) -> Any:
        """Show the row itself, if it is still attached to its unit of work; else read it again."""
        if attached(type(row), row.pk) is not row:
            return super().shown(row)
        return self.get_serializer(type(self).complete(row)).data

    @property
    def is_summary(self) -> bool:
        """Whether the response is a list of rows without their lines."""
        is_list = self.lines and self.action == "list"
        return bool(is_list and "expand" not in self.request.query_params)

    def get_queryset(self) -> QuerySet[Any]:
        if self.is_summary and self.summaries is not None:
            return self.visible(self.summaries.all())
        return super().get_queryset()

    def get_serializer_class(self) -> type[Any]:
        whole: Any = super().get_serializer_class()
        return without(self.summary_class or whole, self.lines) if self.is_summary else whole

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        if page and self.is_summary and self.summaries is not None:
            _add_line_totals(page)
        return page


def _add_line_totals(rows: Sequence[Any]) -> None:
    """Give each row one line that has the sums of all, from which it derives what is allowed."""
    items = rows[0]._meta.get_field("items")
    part, key = items.related_model, items.field.attname
    counters = [f.name for f in part._meta.fields if isinstance(f, PositiveIntegerField)]
    sums = part.objects.filter(**{f"{key}__in": [row.pk for row in rows]}).order_by().values(key)
    sums = sums.annotate(**{f"total_{name}": Sum(name) for name in counters})
    totals = {
        each[key]: part(**{name: each[f"total_{name}"] for name in counters}) for each in sums
    }
    for row in rows:
        row.lines = [totals[row.pk]] if row.pk in totals else []


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
