"""What a shipment refuses besides a transition that its state does not allow."""

from config.core.exceptions import DomainError


class LabelNotByHand(DomainError):
    """The carrier makes the label: ask for it without a number, URL or cost of your own."""

    code = "label_not_by_hand"


class TrackingNumberRequired(DomainError):
    """Nobody can be asked for the label of a carrier without an adapter: give its number."""

    code = "tracking_number_required"


class TrackingNumberTaken(DomainError):
    """Another parcel is under way with this carrier under the same number."""

    code = "tracking_number_taken"
