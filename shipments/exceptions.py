"""The errors of shipments, besides transitions that the state does not allow."""

from config.core.exceptions import Conflict, DomainError


class NotPacked(Conflict):
    """The fulfillment is not packed. Only packed units can be shipped."""

    code = "not_packed"
    example = "ful_01JCZ6W9Y1B4D7G0K3N6Q9S2V5 is started: pack it first."


class NothingToShip(Conflict):
    """All packed units of the fulfillment are in a shipment already."""

    code = "nothing_to_ship"
    example = "All packed units of ful_01JCZ6W9Y1B4D7G0K3N6Q9S2V5 are in a shipment already."


class TooManyPackedUnits(DomainError):
    """The request names more units than are packed and not yet in a shipment."""

    code = "too_many_packed_units"
    example = (
        "item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF: the request has 3 units, but only 2 are packed in "
        "ful_01JCZ6W9Y1B4D7G0K3N6Q9S2V5 and not yet in a shipment."
    )


class CarrierRequired(DomainError):
    """The order has no carrier and service, so `carrier` and `service` are required."""

    code = "carrier_required"
    example = "order_01JCZ5B2QH8M3T6R9W1K4X7V0B has no carrier and service: give both."


class LabelNotByHand(DomainError):
    """The carrier sells this label: leave out its data.

    Only the number of another shipment under way can be given, if both are in one box.
    """

    code = "label_not_by_hand"
    example = (
        "FedEx sells the label of ship_01JCZ7H4M2P5S8V1X4Z7B0D3F6: leave out the tracking number, "
        "label_url and carrier_cost, unless it is in the box of another shipment under way."
    )


class TrackingNumberRequired(DomainError):
    """With the adapter `manual`, the request must contain the `tracking_number` of the label."""

    code = "tracking_number_required"
    example = (
        "tracking_number is required: FedEx sells no label of ship_01JCZ7H4M2P5S8V1X4Z7B0D3F6 "
        "here. label_url and carrier_cost are optional."
    )


class TrackingNumberTaken(DomainError):
    """Another shipment under way with this carrier has the same tracking number.

    If both are in one box, send `shared`. Orders of the same customer to the same address need
    not.
    """

    code = "tracking_number_taken"
    example = (
        "ship_01JCZ7H4M2P5S8V1X4Z7B0D3F6 of ORD-2025-0001, which is under way with FedEx, has the "
        "tracking number 123456789. If both are in one box, send “shared”: true."
    )


class UnknownTrackingNumber(DomainError):
    """The shipment has no parcel with this tracking number."""

    code = "unknown_tracking_number"
    example = "ship_01JCZ7H4M2P5S8V1X4Z7B0D3F6 has no tracking number 12: it has 123456789."


class CarrierRefused(DomainError):
    """The carrier refuses to sell the label: `detail` contains its message. A retry is possible."""

    code = "carrier_refused"
    example = "EasyPost: the postal code is not valid."


class NoLabel(Conflict):
    """There is no PDF: the shipment has no label, the carrier keeps it, or the file is missing."""

    code = "no_label"
    example = "ship_01JCZ7H4M2P5S8V1X4Z7B0D3F6 has no label."


class TooEarly(DomainError):
    """The given time is before the shipment's creation or its dispatch."""

    code = "too_early"
    example = (
        "ship_01JCZ7H4M2P5S8V1X4Z7B0D3F6 was dispatched at 2025-11-24 10:00 UTC, which is after "
        "the given time, 2025-11-24 08:20 UTC."
    )
