"""The fulfillment aggregate and its parts."""

from fulfillment.models.fulfillment import Fulfillment
from fulfillment.models.parts import FulfillmentItem, Pick

__all__ = ["Fulfillment", "FulfillmentItem", "Pick"]
