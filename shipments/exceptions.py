"""The errors of shipments, besides transitions that the state does not allow."""

from config.core.exceptions import Conflict, DomainError


class NotPacked(Conflict):
    """The fulfillment is not packed. Only packed units can be shipped."""

    code = "not_packed"


class NothingToShip(Conflict):
    """All packed units of the fulfillment are in a shipment already."""

    code = "nothing_to_ship"


class TooManyPackedUnits(DomainError):
    """The request names more units than are packed and not yet in a shipment."""

    code = "too_many_packed_units"


class CarrierRequired(DomainError):
    """The order has no carrier and service, so `carrier` and `service` are required."""

    code = "carrier_required"


class LabelNotByHand(DomainError):
    """The carrier sells this label: leave out `tracking_number`, `label_url` and `carrier_cost`."""

    code = "label_not_by_hand"


class TrackingNumberRequired(DomainError):
    """With the adapter `manual`, the request must contain the `tracking_number` of the label."""

    code = "tracking_number_required"


class TrackingNumberTaken(DomainError):
    """Another shipment under way with this carrier has the same tracking number."""

    code = "tracking_number_taken"


class CarrierRefused(DomainError):
    """The carrier refuses the label as it is; `detail` contains its message. You may try again."""

    code = "carrier_refused"


class NoLabel(Conflict):
    """The PDF is not here: there is no label, its carrier keeps it, or the file is lost."""

    code = "no_label"


class TooEarly(DomainError):
    """The given time is before the shipment was created, or its delivery before its dispatch."""

    code = "too_early"
