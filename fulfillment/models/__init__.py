"""Fulfillment: the aggregate, its lines, and the picks that it has taken."""

from fulfillment.models.fulfillment import Fulfillment
from fulfillment.models.parts import FulfillmentItem, Pick
from fulfillment.models.refusals import (
    OrderNotFulfillable,
    OtherWarehouse,
    ScanReused,
    TooManyUnits,
    UnknownItem,
    WarehouseRequired,
)

__all__ = [
    "Fulfillment",
    "FulfillmentItem",
    "OrderNotFulfillable",
    "OtherWarehouse",
    "Pick",
    "ScanReused",
    "TooManyUnits",
    "UnknownItem",
    "WarehouseRequired",
]
