"""The REST API of fulfillments."""

from collections.abc import Callable

from django.http import HttpResponse
from rest_framework.decorators import action
from rest_framework.request import Request

from config.api import bulkheads
from config.api.errors import ErrorExample
from config.api.operations import endpoint
from config.api.pdf import RENDERERS, Pdf, pdf
from config.api.views import command
from config.pdf.rendering import NotPrintable
from events.reactions import ReactionsPending
from events.viewsets import AggregateViewSet
from fulfillment import documents, selectors, serializers, services
from fulfillment.exceptions import (
    NotInFulfillment,
    OtherWarehouse,
    ScanReused,
    TooManyFulfillmentUnits,
    WarehouseRequired,
)
from fulfillment.filters import FulfillmentFilters
from fulfillment.models import Fulfillment
from orders.exceptions import OrderIsCancelled, OrderOnHold


class Fulfillments(AggregateViewSet):
    """Fulfillments: the units of an order that one warehouse picks and packs."""

    scope = "fulfillment"
    queryset = selectors.with_lines()
    serializer_class = serializers.Fulfillment
    get_for_update = staticmethod(selectors.get_for_update)
    filterset_class = FulfillmentFilters
    lines = ("items",)
    summaries = selectors.without_lines()

    @command(
        serializers.FulfillmentStart,
        example="fulfillment_started",
        errors=[OrderOnHold, OrderIsCancelled, ReactionsPending, WarehouseRequired, OtherWarehouse],
        scope="pick",
    )
    def start(self, fulfillment: Fulfillment) -> Fulfillment:
        """Start picking."""
        return services.start_fulfillment(fulfillment_id=fulfillment.id, **self.body())

    @command(
        serializers.PickCreate,
        status=201,
        operation_id="record_pick",
        errors=[
            OrderIsCancelled,
            OrderOnHold,
            NotInFulfillment,
            TooManyFulfillmentUnits,
            ScanReused,
            ReactionsPending,
        ],
        verb="pick",
        scope="pick",
    )
    def picks(self, fulfillment: Fulfillment) -> Fulfillment:
        """Record picked units.

        With a `short_reason`, report units as missing or unusable instead.
        """
        body = self.body()
        if reason := body.pop("short_reason", None):
            return services.report_short(fulfillment_id=fulfillment.id, reason=reason, **body)
        return services.pick_item(fulfillment_id=fulfillment.id, **body)

    @command(
        serializers.FulfillmentPack,
        example="fulfillment_packed",
        errors=[OrderIsCancelled, OrderOnHold],
        scope="pick",
    )
    def pack(self, fulfillment: Fulfillment) -> Fulfillment:
        """Pack all picked units."""
        return services.pack_fulfillment(fulfillment_id=fulfillment.id, **self.body())

    @command(
        serializers.FulfillmentMove,
        example="fulfillment_reduced",
        operation_id="move_fulfillment_units",
        errors=[
            OrderIsCancelled,
            NotInFulfillment,
            ErrorExample.of(TooManyFulfillmentUnits)._replace(
                detail=f"{serializers.ITEM_ID}: 3 requested, 2 not picked here."
            ),
            ErrorExample.of(OtherWarehouse)._replace(
                detail="ful_01JCZ6W9Y1B4D7G0K3N6Q9S2V5 is already assigned to wh_south."
            ),
        ],
        scope="move",
    )
    def move(self, fulfillment: Fulfillment) -> Fulfillment:
        """Move units that are not picked to another warehouse."""
        return services.move_units(fulfillment_id=fulfillment.id, **self.body())

    @command(
        serializers.FulfillmentWriteOff,
        example="fulfillment_reduced",
        operation_id="write_off_fulfillment_units",
        errors=[
            NotInFulfillment,
            ErrorExample.of(TooManyFulfillmentUnits)._replace(
                detail=f"{serializers.ITEM_ID}: 2 requested, 1 reported short here."
            ),
        ],
        scope="move",
    )
    def write_off(self, fulfillment: Fulfillment) -> Fulfillment:
        """Write off short units, and refund them to the customer."""
        return services.write_off_short_units(fulfillment_id=fulfillment.id, **self.body())

    @command(example="fulfillment_unpacked", blocked_status="packed", scope="pick")
    def unpack(self, fulfillment: Fulfillment) -> Fulfillment:
        """Record that the picked units of a cancelled fulfillment are back on the shelf."""
        return services.unpack_fulfillment(fulfillment_id=fulfillment.id, **self.body())

    @action(detail=True, url_path="pick-list", renderer_classes=RENDERERS)
    @endpoint(response=Pdf, operation_id="get_pick_list", errors=[NotPrintable])
    def pick_list(self, request: Request, pk: str) -> HttpResponse:
        """Get the pick list as PDF."""
        return self._print(documents.pick_list, "pick-list")

    @action(detail=True, url_path="packing-slip", renderer_classes=RENDERERS)
    @endpoint(response=Pdf, operation_id="get_packing_slip", errors=[NotPrintable])
    def packing_slip(self, request: Request, pk: str) -> HttpResponse:
        """Get the packing slip as PDF, without prices."""
        return self._print(documents.packing_slip, "packing-slip")

    def _print(self, render: Callable[[Fulfillment], bytes], name: str) -> HttpResponse:
        fulfillment = self.get_object()
        with bulkheads.rendering_of(fulfillment.organization_id):
            return pdf(render(fulfillment), name=f"{name}-{fulfillment.id}")
