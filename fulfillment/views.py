"""The REST API of fulfillments."""

from django.http import HttpResponse
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.operations import endpoint
from config.api.pdf import RENDERERS, Pdf, pdf
from config.api.views import ContextViewSet
from events.reactions import ReactionsPending
from events.serializers import invalid_transition
from fulfillment import documents, selectors, serializers, services
from fulfillment.exceptions import (
    NotInFulfillment,
    OrderOnHold,
    OtherWarehouse,
    ScanReused,
    TooManyFulfillmentUnits,
    WarehouseRequired,
)
from fulfillment.filters import FulfillmentFilters
from fulfillment.models import Fulfillment
from orders.exceptions import OrderIsCancelled


class Fulfillments(ListModelMixin, RetrieveModelMixin, ContextViewSet):
    """Fulfillments: the units of an order that one warehouse picks and packs."""

    scope = "fulfillment"
    queryset = selectors.with_lines()
    serializer_class = serializers.Fulfillment
    filterset_class = FulfillmentFilters

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.FulfillmentStart,
        example="fulfillment_started",
        errors=[
            invalid_transition(Fulfillment, "start"),
            OrderOnHold,
            OrderIsCancelled,
            ReactionsPending,
            WarehouseRequired,
            OtherWarehouse,
        ],
    )
    def start(self, request: Request, pk: str) -> Response:
        """Start picking."""
        fulfillment = self.get_object()
        return self.answer(services.start_fulfillment(fulfillment_id=fulfillment.id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.PickCreate,
        status=201,
        operation_id="record_pick",
        errors=[
            invalid_transition(Fulfillment, "pick"),
            OrderIsCancelled,
            NotInFulfillment,
            TooManyFulfillmentUnits,
            ScanReused,
        ],
    )
    def picks(self, request: Request, pk: str) -> Response:
        """Record picked units.

        With a `short_reason`, report units as missing or unusable instead.
        """
        fulfillment, body = self.get_object(), self.body()
        if reason := body.pop("short_reason", None):
            return self.answer(
                services.report_short(fulfillment_id=fulfillment.id, reason=reason, **body)
            )
        return self.answer(services.pick_item(fulfillment_id=fulfillment.id, **body))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.FulfillmentPack,
        example="fulfillment_packed",
        errors=[invalid_transition(Fulfillment, "pack"), OrderIsCancelled],
    )
    def pack(self, request: Request, pk: str) -> Response:
        """Pack all picked units."""
        fulfillment = self.get_object()
        return self.answer(services.pack_fulfillment(fulfillment_id=fulfillment.id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.FulfillmentMove,
        example="fulfillment_reduced",
        operation_id="move_fulfillment_units",
        errors=[
            invalid_transition(Fulfillment, "move"),
            OrderIsCancelled,
            NotInFulfillment,
            TooManyFulfillmentUnits,
            OtherWarehouse,
        ],
    )
    def move(self, request: Request, pk: str) -> Response:
        """Move units that are not picked to another warehouse."""
        fulfillment = self.get_object()
        return self.answer(services.move_units(fulfillment_id=fulfillment.id, **self.body()))

    @action(detail=True, methods=["post"], url_path="write-off")
    @endpoint(
        request=serializers.FulfillmentWriteOff,
        example="fulfillment_reduced",
        operation_id="write_off_fulfillment_units",
        errors=[
            invalid_transition(Fulfillment, "write-off"),
            NotInFulfillment,
            TooManyFulfillmentUnits,
        ],
    )
    def write_off(self, request: Request, pk: str) -> Response:
        """Write off short units, which the customer gets refunded."""
        fulfillment = self.get_object()
        return self.answer(
            services.write_off_short_units(fulfillment_id=fulfillment.id, **self.body())
        )

    @action(detail=True, url_path="pick-list", renderer_classes=RENDERERS)
    @endpoint(response=Pdf, operation_id="get_pick_list")
    def pick_list(self, request: Request, pk: str) -> HttpResponse:
        """Return the pick list as a PDF document."""
        fulfillment = self.get_object()
        return pdf(documents.pick_list(fulfillment), name=f"pick-list-{fulfillment.id}")

    @action(detail=True, url_path="packing-slip", renderer_classes=RENDERERS)
    @endpoint(response=Pdf, operation_id="get_packing_slip")
    def packing_slip(self, request: Request, pk: str) -> HttpResponse:
        """Return the packing slip as a PDF document, without prices."""
        fulfillment = self.get_object()
        return pdf(documents.packing_slip(fulfillment), name=f"packing-slip-{fulfillment.id}")
