"""Fulfillment: the aggregate, its lines, and the picks that it has taken."""

from fulfillment.exceptions import (
    OrderOnHold,
    OtherWarehouse,
    ScanReused,
    TooManyUnits,
    UnknownItem,
    WarehouseRequired,
)
from fulfillment.models.fulfillment import Fulfillment
from fulfillment.models.parts import FulfillmentItem, Pick

__all__ = [
    "Fulfillment",
    "FulfillmentItem",
    "OrderOnHold",
    "OtherWarehouse",
    "Pick",
    "ScanReused",
    "TooManyUnits",
    "UnknownItem",
    "WarehouseRequired",
]
