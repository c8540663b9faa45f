"""The carriers that can be asked. Those without an adapter an operator speaks to."""

from shipments.carriers import Carrier
from shipments.carriers.easypost import EasyPost
from shipments.carriers.sandbox import Sandbox
from shipments.models import Adapter

CARRIERS: dict[str, Carrier] = {Adapter.SANDBOX: Sandbox(), Adapter.EASYPOST: EasyPost()}
