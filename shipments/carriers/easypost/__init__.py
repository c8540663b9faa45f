"""Labels and tracking through EasyPost, for the carriers that it resells; an optional extra."""

from shipments.carriers.easypost.carrier import EasyPost
from shipments.carriers.easypost.webhooks import notice, verify

__all__ = ["EasyPost", "notice", "verify"]
