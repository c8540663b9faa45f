"""The shipments' REST API, and what carriers send."""

from types import ModuleType
from typing import Any

from django.http import Http404, HttpResponse
from rest_framework.decorators import (
    action,
    api_view,
    authentication_classes,
    permission_classes,
    renderer_classes,
    throttle_classes,
)
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import problems
from config.api.operations import endpoint
from config.api.pdf import RENDERERS, Pdf, pdf, row_behind
from config.api.serializers import ActionRequest
from config.api.views import ContextViewSet
from config.core.exceptions import Conflict
from shipments import files, selectors, serializers, services
from shipments.carriers import BadMessage, BadSignature, easypost
from shipments.filters import ShipmentFilters
from shipments.models import Adapter, Shipment

WEBHOOKS: dict[str, ModuleType] = {Adapter.EASYPOST: easypost}  # of carriers that send some


class NoLabel(Conflict):
    """There is no PDF here: no label, a lost file, or one that the carrier keeps; see `detail`."""

    code = "no_label"


class Shipments(ListModelMixin, RetrieveModelMixin, ContextViewSet):
    """Packed units that travel together, from their label to their arrival."""

    scope = "shipments"
    queryset = selectors.with_parts()
    serializer_class = serializers.Shipment
    filterset_class = ShipmentFilters
    calls_outside = frozenset({"label"})

    def get_renderers(self) -> list[BaseRenderer]:
        if self.action == "label_pdf":
            return [renderer() for renderer in RENDERERS]
        return super().get_renderers()

    @endpoint(request=serializers.ShipmentCreate, status=201, example="shipment_created")
    def create(self, request: Request) -> Response:
        """Let packed units travel together: those of the body, or all that are in no shipment."""
        return self.answer(services.create_shipment(**self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(request=serializers.LabelCreate, example="shipment_label_created")
    def label(self, request: Request, pk: str) -> Response:
        """Buy the carrier's label, or with the adapter `manual` record the one that you have."""
        shipment = self.get_object()
        response = self.once(lambda: self._wanted(shipment.id))
        services.buy_label(shipment_id=shipment.id)
        response.data = self.get_serializer(selectors.get(shipment.id)).data
        return response

    def _wanted(self, shipment_id: str) -> Response:
        """Of what is asked once only the id is remembered: the answer is as things are then."""
        return Response({"id": services.label_shipment(shipment_id=shipment_id, **self.body()).pk})

    @label.mapping.get
    @endpoint(response=Pdf)
    def label_pdf(self, request: Request, pk: str) -> HttpResponse:
        """The label as PDF, if the carrier does not keep it under a URL of its own."""
        shipment: Shipment = self.get_object()
        label = shipment.sold_label
        if label and label.path:
            try:
                return pdf(files.read(label), name=str(label.tracking_number))
            except FileNotFoundError:
                raise NoLabel(
                    f"The PDF of {label.id} is not in the storage any more: restore the file "
                    f"{label.path}, or cancel the shipment and make another."
                ) from None
        if url := files.label_url(shipment):
            raise NoLabel(f"The carrier keeps this label: {url}")
        raise NoLabel(f"There is no label of {shipment.id} to show.")

    @action(detail=True, methods=["post"], url_path="dispatch", url_name="dispatch")
    @endpoint(request=serializers.ShipmentDispatch)
    def send(self, request: Request, pk: str) -> Response:
        """It has left the warehouse."""
        shipment = self.get_object()
        return self.answer(services.dispatch_shipment(shipment_id=shipment.id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(request=serializers.ScanCreate, status=201, example="shipment_in_transit")
    def scans(self, request: Request, pk: str) -> Response:
        """Somebody has seen it. One that comes too late to mean anything is kept, and no more."""
        shipment = self.get_object()
        return self.answer(services.record_scan(shipment_id=shipment.id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(request=serializers.ShipmentDeliver, example="shipment_delivered")
    def deliver(self, request: Request, pk: str) -> Response:
        """It has arrived."""
        shipment = self.get_object()
        return self.answer(services.deliver_shipment(shipment_id=shipment.id, **self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(request=ActionRequest, example="shipment_cancelled")
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel a shipment that has not left: what is in it stays packed, its label goes back."""
        self.body()
        return self.answer(services.cancel_shipment(shipment_id=self.get_object().id))


@api_view(["GET"])
@authentication_classes([])
@permission_classes([])
@renderer_classes(RENDERERS)
def document(request: Request, token: str) -> HttpResponse:
    """Show the label that a signed URL is of, to whoever has the URL."""
    found = selectors.label(row_behind(token, files.label_id))
    if found is None:
        raise Http404
    try:
        return pdf(files.read(found), name=str(found.tracking_number))
    except FileNotFoundError:
        raise Http404 from None


@api_view(["POST"])
@authentication_classes([])
@permission_classes([])
@throttle_classes([])
def carrier_webhook(request: Request, carrier: str) -> HttpResponse:
    """Take a message of a carrier's, whose signature is what lets it in."""
    adapter: Any = WEBHOOKS.get(carrier)
    if adapter is None:
        raise Http404
    body = request._request.body
    try:
        adapter.verify(body, request.headers)
        notice = adapter.notice(body)
    except (BadMessage, BadSignature) as error:
        return problems.problem(400, error.code, str(error))
    if notice:
        services.receive_webhook(adapter=carrier, notice=notice)
    return HttpResponse(status=204)
