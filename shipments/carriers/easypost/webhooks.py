"""What EasyPost tells of its own accord."""

import hashlib
import hmac
import json
import unicodedata
from collections.abc import Mapping

from django.conf import settings
from django.utils.datastructures import CaseInsensitiveMapping

from shipments.carriers import BadMessage, BadSignature, Notice
from shipments.carriers.easypost.objects import scans_of

ABOUT_PARCELS = {"tracker.created", "tracker.updated"}


def verify(body: bytes, headers: Mapping[str, str]) -> None:
    """Raise BadSignature unless EasyPost signed the body, byte for byte.

    The signature has no time in it: one that is replayed says nothing that was not said before.
    """
    secret = unicodedata.normalize("NFKD", settings.EASYPOST_WEBHOOK_SECRET).encode()
    digest = hmac.new(secret, body, hashlib.sha256).hexdigest()
    signature = CaseInsensitiveMapping(headers).get("X-Hmac-Signature", "")
    signed = hmac.compare_digest(f"hmac-sha256-hex={digest}".encode(), signature.encode())
    if not (secret and signed):
        raise BadSignature("EasyPost has not signed this: check EASYPOST_WEBHOOK_SECRET.")


def notice(body: bytes) -> Notice | None:
    """Return what a verified webhook tells of a parcel, None where it is about something else.

    Raises BadMessage.
    """
    try:
        event = json.loads(body)
        if event["description"] not in ABOUT_PARCELS:
            return None
        tracker = event["result"]
        return Notice(
            event_id=event["id"][:255],
            tracking_number=tracker["tracking_code"][:64],
            reference=tracker.get("shipment_id"),
            carrier=tracker.get("carrier"),
            scans=tuple(scans_of(tracker)),
        )
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise BadMessage(
            f"EasyPost's message is not as its events of trackers should be: {error!r}."
        ) from error
