"""The base class of the API's views."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial, wraps
from typing import Any, ClassVar, TypeVar, cast

from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django_filters.rest_framework import DjangoFilterBackend, MultipleChoiceFilter
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from config.api import bulkheads, idempotency
from config.api.authentication import Caller, caller_of
from config.api.operations import endpoint, operation_of
from config.api.permissions import MissingScope
from config.api.serializers import ActionRequest, ExternalId
from config.core import request_context

DELEGATE = "actors:delegate"
M = TypeVar("M", bound=Model)
L = TypeVar("L")
Ids = dict[str, str]


class ContextViewSet(viewsets.GenericViewSet[Any]):
    """Base of all views: checks the scope, and limits rows to those of the caller's organization.

    `scope` is the context's name in `<context>:read` and the scopes of its commands. A POST with an
    Idempotency-Key is executed once; `idempotency_key_required` names the actions that require the
    key. The actions in `calls_outside` pass only their intent to `once_leased`, because a call
    of a gateway or a carrier must not be made in a transaction.
    """

    scope: ClassVar[str]
    idempotency_key_required: ClassVar[frozenset[str]] = frozenset()
    calls_outside: ClassVar[frozenset[str]] = frozenset()
    lookup_value_regex = r"[A-Za-z0-9_-]{1,64}"
    filter_backends = [DjangoFilterBackend]
    http_method_names = ["get", "head", "post", "patch", "delete"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with ExitStack() as self._slots:
            response = super().dispatch(request, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")  # it is about people
        return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self._slots.enter_context(bulkheads.request_of(self.caller.organization_id))
        if not request.path.isprintable():
            raise Http404  # no id has such characters, and PostgreSQL does not accept all of them
        if str(request.method).lower() not in self.action_map:
            self.http_method_not_allowed(request)  # before the query and the body are checked
        self._check_query(request)
        if request.method in SAFE_METHODS:
            if int(request.META.get("CONTENT_LENGTH") or 0):
                raise ValidationError(f"A {request.method} request takes no body.")
        else:
            self._take_body(request)
            self._take_actor(request)
        if request.method in SAFE_METHODS:
            return
        if self.action in self.idempotency_key_required and idempotency.key_of(request) is None:
            raise idempotency.KeyRequired
        if self.action in self.calls_outside:
            self._slots.enter_context(bulkheads.outbound_call_of(self.caller.organization_id))
            return
        method = str(request.method).lower()
        setattr(self, method, partial(idempotency.run, getattr(self, method)))

    def required_scope(self, method: str | None) -> str:
        """Return the scope of the current action: `orders:read` or `orders:cancel`."""
        verb = "read" if method in SAFE_METHODS else operation_of(self).scope
        return f"{self.scope}:{verb}"

    @property
    def caller(self) -> Caller:
        """The caller with its organization; `caller.actor` is the person it acts for."""
        return caller_of(self.request)

    def perform_authentication(self, request: Request) -> None:
        """Count every request for the rate limit, including those that are refused."""
        try:
            super().perform_authentication(request)
        finally:
            super().check_throttles(request)

    def check_throttles(self, request: Request) -> None:
        """Do nothing: `perform_authentication` has counted the request."""

    def body(self) -> dict[str, Any]:
        """Return the validated body. Raises ValidationError."""
        return self._parsed(self.request.data, is_json=True)

    def query(self) -> dict[str, Any]:
        """Return the validated query. Raises ValidationError."""
        return self._parsed(self.request.query_params.dict(), is_json=False)

    def _parsed(self, data: Any, *, is_json: bool) -> dict[str, Any]:
        context = {**self.get_serializer_context(), "is_json": is_json}
        parsed = cast(Any, operation_of(self).request)(data=data, context=context)
        parsed.is_valid(raise_exception=True)
        return dict(parsed.validated_data)

    def answer(self, row: Model) -> Response:
        """Return the response for a row, with what the consequences of the request made of it."""
        return Response(self.shown(row), status=operation_of(self).statuses[0])

    def shown(self, row: Model) -> Any:
        """Return the content of the response for a row."""
        return self.get_serializer(self.get_queryset().get(pk=row.pk)).data

    def once(self, work: Callable[[], Response]) -> Response:
        """Return the response of `work`, or the stored response of an earlier request."""
        return idempotency.run(lambda request: work(), self.request)

    def once_leased(
        self, intent: Callable[[], Ids], lease: Callable[[Ids], L]
    ) -> tuple[Response, L]:
        """Record the intent of a call to the outside once, and lease the call with it.

        The caller makes the call after the commit. A repeated request leases it again, in case that
        it was not made. Only the ids of the `intent` are stored for it.
        """
        leases = list[L]()

        def work() -> Response:
            ids = intent()
            leases.append(lease(ids))
            return Response(ids, status=operation_of(self).statuses[0])

        response = self.once(work)
        return response, leases[0] if leases else lease(response.data)

    def visible(self, rows: QuerySet[M]) -> QuerySet[M]:
        """Return the rows of the caller's organization, and of its customer if it is bound."""
        return rows.filter(self.visible_of(rows.model))

    def visible_of(self, model: type[Model]) -> Q:
        """Return the condition for the rows that the caller may see."""
        rows = Q(organization_id=self.caller.organization_id)
        if self.caller.is_bound:
            path = getattr(model, "owner_path", None)
            rows &= Q(pk__in=[]) if path is None else self.caller.owns(path)
        return rows

    def get_queryset(self) -> QuerySet[Any]:
        return self.visible(super().get_queryset())

    def filter_queryset(self, queryset: QuerySet[M]) -> QuerySet[M]:
        """Filter lists only: a single row is found by its id."""
        return super().filter_queryset(queryset) if self.action == "list" else queryset

    def _check_query(self, request: Request) -> None:
        """Refuse unknown parameters: a misspelled filter, for example, would return all rows."""
        known = self._parameters()
        errors = {}
        for name, values in request.query_params.lists():
            if name not in known:
                errors[name] = ["Unknown parameter."]
            elif "" in values:
                errors[name] = ["Give a value, or leave it out."]
            elif len(values) > 1 and not known[name]:
                errors[name] = ["Give one value."]
        if errors:
            raise ValidationError(errors)

    def _parameters(self) -> dict[str, bool]:
        """Return the parameters of the action's query, each with whether it can be repeated."""
        if (takes := operation_of(self).request) and self.request.method in SAFE_METHODS:
            return dict.fromkeys(takes().fields, False)
        if self.action != "list":
            return {}
        filters = getattr(self, "filterset_class", None)
        repeatable = {
            name: isinstance(one, MultipleChoiceFilter)
            for name, one in (filters.base_filters if filters else {}).items()
        }
        return repeatable | dict.fromkeys(("cursor", "page_size"), False)

    def _take_body(self, request: Request) -> None:
        try:
            is_object = isinstance(request.data, dict)
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        if not is_object:
            raise ValidationError("The body must be a JSON object.")
        if request.method == "DELETE" and request.data:
            raise ValidationError("A DELETE request takes no body.")

    def _take_actor(self, request: Request) -> None:
        """Remove the `actor` from the body, and record this person in the request's events."""
        if "actor" not in request.data:
            return
        if not self.caller.may(DELEGATE):
            raise MissingScope(DELEGATE)
        try:
            # Removed, so that serializers do not need the field.
            actor = ExternalId().run_validation(cast(dict[str, Any], request.data).pop("actor"))
        except ValidationError as error:
            raise ValidationError({"actor": error.detail}) from error
        self.caller.actor = actor
        request_context.set_actor(actor)


def command(
    request: type[Serializer[Any]] = ActionRequest, *, path: str | None = None, **declaration: Any
) -> Callable[[Callable[[Any, Any], Model]], Any]:
    """Turn a method that changes a row and returns it into a POST action on one row.

    `path` is the last part of the URL; the default is the method's name. See `endpoint` for
    `declaration`.
    """

    def decorate(method: Callable[[Any, Any], Model]) -> Any:
        @wraps(method)
        def run(self: ContextViewSet, request: Request, pk: str) -> Response:
            return self.answer(method(self, self.get_object()))

        name = path or method.__name__.replace("_", "-")
        declare = endpoint(request=request, **declaration)
        return action(detail=True, methods=["post"], url_path=name, url_name=name)(declare(run))

    return decorate
