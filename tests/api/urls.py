"""Routes that exist only here: each view shows one behaviour of the API's base classes."""

from typing import Any, ClassVar

from django.contrib.auth.models import Group
from django.db import OperationalError
from django.db.models import QuerySet
from django.urls import include, path, re_path
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.throttling import BaseThrottle

from config.api import problems
from config.api.models import IdempotencyRecord
from config.api.operations import endpoint
from config.api.serializers import (
    Address,
    Body,
    CurrencyCode,
    ExternalId,
    MoneyIn,
    MoneyOut,
    StrictSerializer,
)
from config.api.views import ContextViewSet
from config.core import request_context
from config.core.exceptions import DomainError
from events.aggregate import InvalidTransition


class Line(StrictSerializer):
    quantity = serializers.IntegerField(min_value=1)
    unit_price = MoneyIn()


class Order(Body):
    currency = CurrencyCode()
    customer_id = ExternalId(required=False, allow_null=True)
    items = Line(many=True)
    shipping_address = Address(required=False)


class Priced(serializers.Serializer[Any]):
    amount = MoneyOut()
    shipping = MoneyOut(currency="parent.currency")
    paid_at = serializers.DateTimeField()


class Things(ContextViewSet):
    """Rows are idempotency records: the API's only table with an organization."""

    scope = "things"
    queryset: ClassVar[QuerySet[Any]] = IdempotencyRecord.objects.all()
    idempotency_key_required = frozenset({"pay"})
    lookup_field = "key"

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response([row.key for row in page])

    def retrieve(self, request: Request, key: str) -> Response:
        return Response({"key": self.get_object().key})

    @endpoint(request=Order)
    def create(self, request: Request) -> Response:
        """Return what was parsed; the inserted rows show how often the view ran."""
        body = self.body()
        Group.objects.create(name=f"group {Group.objects.count()}")
        self.work()
        parsed = {
            "actor": request_context.current().actor,
            "request_id": request_context.current().request_id,
            "unit_price": str(body["items"][0]["unit_price"]),
        }
        return Response(parsed, status=201)

    @staticmethod
    def work() -> None:
        """Tests replace this to act while the first request is in progress."""

    @action(detail=False, methods=["post"])
    def pay(self, request: Request) -> Response:
        return Response(None, status=204)

    @action(detail=False, methods=["post"])
    def busy(self, request: Request) -> Response:
        Group.objects.create(name="busy")
        return Response({"later": True}, status=503)

    @action(detail=False)
    def refused(self, request: Request) -> Response:
        raise DomainError("Too much.", max_refundable="10.00", status="a detail of this name")

    @action(detail=False)
    def conflict(self, request: Request) -> Response:
        raise InvalidTransition("Cannot ship.", allowed_actions=["cancel"])

    @action(detail=False)
    def broken(self, request: Request) -> Response:
        raise RuntimeError("a secret")

    @action(detail=False)
    def unlucky(self, request: Request) -> Response:
        raise OperationalError("server closed the connection on 10.0.0.1")

    @action(detail=False)
    def priced(self, request: Request) -> Response:
        return Response(Priced(PRICED).data)


PRICED: dict[str, Any] = {}


class Refusing(BaseThrottle):
    def allow_request(self, request: Request, view: Any) -> bool:
        return False

    def wait(self) -> float:
        return 2.5


class Throttled(ContextViewSet):
    scope = "things"
    throttle_classes = (Refusing,)

    def list(self, request: Request) -> Response:
        raise AssertionError


router = SimpleRouter(trailing_slash=False)
router.register("things", Things)
router.register("throttled", Throttled, basename="throttled")
urlpatterns = [
    path("api/v1/", include(router.urls)),
    re_path(r"^api/", problems.not_found),
]
handler400 = "config.api.problems.bad_request"
handler404 = "config.api.problems.not_found"
handler500 = "config.api.problems.internal_error"
