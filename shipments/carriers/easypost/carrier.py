"""What EasyPost is asked, and when it has not answered."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone

from shipments.carriers import Bought, NoAnswer, Quoted, Refused, Scan, Tracked, Wanted
from shipments.carriers.easypost.objects import (
    Json,
    bought,
    chosen_rate,
    is_bought,
    is_given_back,
    scans_of,
    shipment_of,
)

if TYPE_CHECKING:
    from easypost.easypost_client import EasyPostClient
    from easypost.easypost_object import EasyPostObject
    from easypost.errors.api.api_error import ApiError

TIMEOUT = (5, 15)  # seconds to connect, and to read: a command takes up to three requests
# A purchase that did not answer is sold within this time, or not at all.
UNSETTLED = timedelta(hours=1)
# Refusals of a request that may yet have bought, or that an earlier one has forestalled.
UNDECIDED = {
    "SHIPMENT.POSTAGE.EXISTS",
    "SHIPMENT.POSTAGE.NO_RESPONSE",
    "SHIPMENT.POSTAGE.TIMED_OUT",
    "SHIPMENT.PURCHASE.IN_PROGRESS",
}


@contextmanager
def _making_sense() -> Iterator[None]:
    """Take an answer that has not the form that it should have for none. Raises NoAnswer."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise NoAnswer(f"EasyPost: an answer that makes no sense, {error!r}") from error


class EasyPost:
    """Labels and tracking through EasyPost, which sells the label of a shipment only once."""

    @_making_sense()
    def label(self, wanted: Wanted) -> Quoted | Bought:
        """Have the label quoted, then buy it at the rate that is wanted.

        A quote whose answer was lost leaves a shipment at EasyPost that nobody pays for.
        """
        reference = wanted.reference
        if reference is None:
            quoted = shipment_of(wanted)
            return Quoted(reference=_ask(lambda client: client.shipment.create(**quoted))["id"])
        shipment = _retrieve(reference)
        if not is_bought(shipment):
            rate = {"id": chosen_rate(shipment, wanted)["id"]}
            shipment = _change(
                reference, lambda client: client.shipment.buy(reference, rate=rate), is_bought
            )
        return bought(shipment)

    @_making_sense()
    def void(self, wanted: Wanted, tracking_number: str | None) -> None:
        """Ask for the label's money back, if there is one that was paid for."""
        reference = wanted.reference
        if reference is None:
            return
        shipment = _retrieve(reference)
        if not is_bought(shipment):
            _expect_settled(wanted)
        elif not is_given_back(shipment):
            shipment = _change(
                reference, lambda client: client.shipment.refund(reference), is_given_back
            )
            if not is_given_back(shipment):
                raise Refused("EasyPost: the carrier does not take this label back; try later.")

    @_making_sense()
    def track(self, tracked: Tracked, *, now: datetime) -> list[Scan]:
        """Return the scans of a label that EasyPost has sold; for others it would charge."""
        if tracked.reference is None:
            return []
        return scans_of(_retrieve(tracked.reference).get("tracker") or {})


def _expect_settled(wanted: Wanted) -> None:
    """Raise NoAnswer where a label that is not there may yet be sold."""
    asked = wanted.asked_last_at
    if asked and timezone.now() < asked + UNSETTLED:
        raise NoAnswer(
            f"EasyPost has not sold the label, and may yet: it was asked at {asked:%H:%M} UTC."
        )


def _retrieve(reference: str) -> Json:
    """Return the shipment. Who is not let look knows nothing of what was sold: no answer."""
    try:
        return _ask(lambda client: client.shipment.retrieve(reference))
    except Refused as refusal:
        raise NoAnswer(str(refusal)) from None


def _change(
    reference: str,
    change: Callable[["EasyPostClient"], "EasyPostObject"],
    is_changed: Callable[[Json], bool],
) -> Json:
    """Return the shipment, changed. One that was changed meanwhile refuses too, so look again."""
    try:
        return _ask(change)
    except Refused:
        shipment = _retrieve(reference)
        if not is_changed(shipment):
            raise
        return shipment


def _ask(question: Callable[["EasyPostClient"], "EasyPostObject"]) -> Json:
    """Return EasyPost's answer. Raises NoAnswer, and Refused in the carrier's words."""
    try:
        from easypost.easypost_client import EasyPostClient
        from easypost.errors.api.api_error import ApiError
        from requests.adapters import HTTPAdapter
    except ImportError:
        raise NoAnswer(
            "EasyPost's SDK is not installed: requirements.txt says how to install “easypost”."
        ) from None
    client = EasyPostClient(
        settings.EASYPOST_API_KEY,
        api_base=f"{settings.EASYPOST_API_BASE}/v2",
        timeout=TIMEOUT,  # type: ignore[arg-type]  # handed on to requests, which takes a pair
    )
    with closing(client._requests_session) as session:
        session.mount(settings.EASYPOST_API_BASE, HTTPAdapter())  # the SDK's connects four times
        try:
            return question(client).to_dict()
        except ApiError as error:
            raise _failure(error) from None


def _failure(error: "ApiError") -> NoAnswer | Refused:
    """Say what EasyPost refused, or what kept its answer away and nothing of what was sent."""
    from easypost.errors.api.json_error import JsonError

    status = error.http_status or 0
    if status == 401:
        return NoAnswer("EasyPost does not know the key: check EASYPOST_API_KEY.")
    unknown = status in (408, 409, 429) or error.code in UNDECIDED or isinstance(error, JsonError)
    if unknown or not 400 <= status < 500:
        return NoAnswer(f"EasyPost: {type(error).__name__}, {error.code or status or 'no answer'}")
    told: list[Any] = error.errors or []
    causes = [
        str(cause.get("message", cause) if isinstance(cause, dict) else cause) for cause in told
    ]
    return Refused("; ".join([f"EasyPost: {error.message}", *dict.fromkeys(causes)]))
