"""The REST API of shipments, and the endpoint of the carriers' webhooks."""

from types import ModuleType

from django.http import Http404, HttpResponse
from django.utils import timezone
from rest_framework.decorators import action, renderer_classes, throttle_classes
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.operations import endpoint, public
from config.api.pdf import RENDERERS, LinkExpired, Pdf, pdf, row_behind
from config.api.views import Ids, command
from config.core.exceptions import BadMessage, BadSignature
from config.core.money import InexactAmount
from events.viewsets import AggregateViewSet
from orders.exceptions import OrderIsCancelled, OrderOnHold
from shipments import files, selectors, serializers
from shipments.carriers import easypost
from shipments.exceptions import (
    CarrierRefused,
    CarrierRequired,
    LabelNotByHand,
    NoLabel,
    NothingToShip,
    NotPacked,
    TooEarly,
    TooManyPackedUnits,
    TrackingNumberRequired,
    TrackingNumberTaken,
    UnknownTrackingNumber,
)
from shipments.filters import ShipmentFilters
from shipments.models import Adapter, Shipment
from shipments.services import creation, label_purchase, labels, lifecycle, webhooks

WEBHOOKS: dict[str, ModuleType] = {Adapter.EASYPOST: easypost}  # with `verify` and `parse`


class Shipments(AggregateViewSet):
    """Shipments, from their creation to their delivery."""

    scope = "shipments"
    queryset = selectors.with_parts()
    serializer_class = serializers.Shipment
    get_for_update = staticmethod(selectors.get_for_update)
    filterset_class = ShipmentFilters
    lines = ("items",)
    summaries = selectors.without_items()
    calls_outside = frozenset({"label"})

    def get_renderers(self) -> list[BaseRenderer]:
        if self.action == "label_pdf":
            return [renderer() for renderer in RENDERERS]
        return super().get_renderers()

    @endpoint(
        request=serializers.ShipmentCreate,
        status=201,
        example="shipment_created",
        errors=[
            NotPacked,
            NothingToShip,
            OrderIsCancelled,
            CarrierRequired,
            TooManyPackedUnits,
            InexactAmount,
        ],
        scope="dispatch",
    )
    def create(self, request: Request) -> Response:
        """Create a shipment of packed units."""
        return self.answer(creation.create_shipment(**self.body()))

    @action(detail=True, methods=["post"])
    @endpoint(
        request=serializers.LabelCreate,
        example="shipment_label_created",
        operation_id="buy_shipment_label",
        errors=[
            OrderIsCancelled,
            OrderOnHold,
            LabelNotByHand,
            TrackingNumberRequired,
            TrackingNumberTaken,
            CarrierRefused,
            InexactAmount,
        ],
        scope="dispatch",
    )
    def label(self, request: Request, pk: str) -> Response:
        """Buy the label from the carrier. With the adapter `manual`, record the given label."""

        def intent() -> Ids:
            labels.label_shipment(shipment_id=self.get_object().id, **self.body())
            return {"id": pk}

        def lease(ids: Ids) -> label_purchase.DueCall:
            return label_purchase.lease_due_call(shipment_id=ids["id"], now=timezone.now())

        response, due = self.once_leased(intent, lease)
        _, shipment = label_purchase.make_calls(due)
        labels.expect_bought(shipment)
        response.data = self.get_serializer(shipment).data
        return response

    @label.mapping.get
    @endpoint(response=Pdf, operation_id="get_shipment_label", errors=[NoLabel])
    def label_pdf(self, request: Request, pk: str) -> HttpResponse:
        """Get the label as PDF. If the carrier stores the label, it is only at `label_url`."""
        shipment: Shipment = self.get_object()
        label = shipment.bought_label
        if label and label.path:
            try:
                return pdf(files.read(label), name=str(label.tracking_number))
            except FileNotFoundError:
                raise NoLabel(
                    f"The PDF of {label.id} is missing in the storage: restore the file "
                    f"{label.path}, or cancel the shipment and create another."
                ) from None
        if url := files.label_url(shipment):
            raise NoLabel(f"The carrier keeps this label: {url}")
        raise NoLabel(f"{shipment.id} has no label.")

    @command(
        serializers.ShipmentDispatch,
        operation_id="dispatch_shipment",
        errors=[OrderIsCancelled, OrderOnHold],
        path="dispatch",
        scope="dispatch",
    )
    def send(self, shipment: Shipment) -> Shipment:
        """Record that the shipment left the warehouse."""
        return lifecycle.dispatch_shipment(shipment_id=shipment.id, **self.body())

    @command(
        serializers.ScanCreate,
        status=201,
        example="shipment_in_transit",
        operation_id="record_shipment_scan",
        errors=[TooEarly, UnknownTrackingNumber],
        verb="scan",
        blocked_status="created",
        allowed_actions=("label", "dispatch", "cancel"),
        scope="track",
    )
    def scans(self, shipment: Shipment) -> Shipment:
        """Record a scan. One that comes after a later one is stored, but changes nothing."""
        return lifecycle.record_scan(shipment_id=shipment.id, **self.body())

    @command(
        serializers.ShipmentDeliver, example="shipment_delivered", errors=[TooEarly], scope="track"
    )
    def deliver(self, shipment: Shipment) -> Shipment:
        """Record the delivery and its proof."""
        return lifecycle.deliver_shipment(shipment_id=shipment.id, **self.body())

    @command(example="shipment_cancelled", blocked_status="delivered", scope="dispatch")
    def cancel(self, shipment: Shipment) -> Shipment:
        """Cancel a shipment before its dispatch: its units stay packed, its label is voided."""
        return creation.cancel_shipment(shipment_id=shipment.id, **self.body())

    @command(example="shipment_links_revoked", operation_id="revoke_label_links", scope="dispatch")
    def revoke_links(self, shipment: Shipment) -> Shipment:
        """Revoke all links to the label that open without a token."""
        return labels.revoke_links(shipment_id=shipment.id, **self.body())


@public(
    "GET",
    response=Pdf,
    operation_id="download_label",
    tag="shipments",
    parameters={"token": "The last part of a `label_url`."},
    errors=[LinkExpired],
)
@renderer_classes(RENDERERS)
def document(request: Request, token: str) -> HttpResponse:
    """Get a shipping label as PDF, by its signed URL.

    Needs no token: the URL in `label_url` grants access for 30 days (`DOCUMENT_LINK_DAYS`), unless
    it is revoked.
    """
    found = selectors.bought_label(row_behind(token, files.label_id))
    if found is None:
        raise Http404
    try:
        return pdf(files.read(found), name=str(found.tracking_number))
    except FileNotFoundError:
        raise Http404 from None


@public(
    "POST",
    status=204,
    operation_id="receive_carrier_event",
    tag="webhooks",
    parameters={"carrier": "The name of the carrier's adapter: `easypost`."},
    body_example={
        "id": "evt_4f2a9c",
        "description": "tracker.updated",
        "result": {
            "tracking_code": "123456789",
            "carrier": "FedEx",
            "shipment_id": "shp_7d1e5b",
            "tracking_details": [
                {"status": "in_transit", "datetime": "2025-11-25T08:20:00Z"},
            ],
        },
    },
    errors=[BadSignature, BadMessage],
)
@throttle_classes([])
def carrier_webhook(request: Request, carrier: str) -> HttpResponse:
    """Receive a tracking update from a carrier.

    Needs no token: the carrier's signature header proves the sender. 204 means that the update is
    applied, stored, or not about a tracker. The carrier repeats a webhook after any other status.
    """
    adapter = WEBHOOKS.get(carrier)
    if adapter is None:
        raise Http404
    body = request._request.body
    adapter.verify(body, request.headers)
    if update := adapter.parse(body):
        webhooks.receive_webhook(adapter=carrier, update=update)
    return HttpResponse(status=204)
