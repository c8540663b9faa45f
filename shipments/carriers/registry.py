"""The carrier adapters by name. Labels with the adapter `manual` are entered by operators."""

from shipments.carriers import Carrier
from shipments.carriers.easypost import EasyPost
from shipments.carriers.sandbox import Sandbox
from shipments.models import Adapter

CARRIERS: dict[str, Carrier] = {Adapter.SANDBOX: Sandbox(), Adapter.EASYPOST: EasyPost()}
