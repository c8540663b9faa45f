"""Labels: what is wanted of a carrier, the call, and what came of it; the call in no transaction.

Whoever makes a call first claims the label for a while, so that nobody else does; a caller that
is killed is followed by the timer, and the carrier knows a repeat by the label's id.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from django.db import transaction
from django.utils import timezone

import invoices.selectors
from config.core.money import bounded
from shipments import files, selectors
from shipments.carriers import Bought, NoAnswer, Parcel, Quoted, Refused, Wanted
from shipments.models import Label, Shipment
from shipments.services.carriers import CARRIERS
from shipments.services.locks import lock_shipment, save

logger = logging.getLogger(__name__)

CLAIM = timedelta(seconds=90)  # longer than a call may take
STEPS = 2  # a quote and a purchase; what needs more goes on with the timer
AT_ONCE = 100  # labels in one run of the timer; the next one goes on
LOOKED_AT = 5_000  # labels, of which some may have to be left

Status = Label.Status


@dataclass(frozen=True)
class Call:
    """Something to ask a carrier about a label."""

    label_id: str
    adapter: str
    wanted: Wanted
    is_void: bool
    tracking_number: str | None
    claimed_until: datetime

    def ask(self) -> Quoted | Bought | Literal["void"]:
        """Return the answer. Raises NoAnswer, Refused."""
        carrier = CARRIERS[self.adapter]
        if not self.is_void:
            return carrier.label(self.wanted)
        carrier.void(self.wanted, self.tracking_number)
        return "void"


def call_carrier(*, shipment_id: str, now: datetime | None = None) -> bool:
    """Ask the carrier what is due about a shipment's labels, and record what it answers.

    Return False where no answer came. What somebody else is asking, or nobody wants to know now,
    is left.
    """
    for _ in range(STEPS):
        if not (call := _claim(shipment_id, now or timezone.now())):
            return True
        try:
            answer = call.ask()
            path, digest = _store(call, answer)
            _record(shipment_id, call, answer, path, digest)
        except NoAnswer as silence:
            _record_silence(shipment_id, call, str(silence))
            return False
        except Refused as refusal:
            _record_refusal(shipment_id, call, str(refusal))
        except OSError as error:  # of the storage: the carrier gives the same label again
            logger.warning("The label %s is not stored: %r", call.label_id, error)
            _record_silence(shipment_id, call, f"The label could not be stored: {error!r}")
            return True
        except Exception as error:  # a mistake of ours, which operators are to see
            logger.exception("The label %s could not be asked for", call.label_id)
            _record_silence(shipment_id, call, repr(error))
            return True
    return True


def call_due_carriers(*, now: datetime) -> int:
    """Make the calls that are due at `now`; return for how many labels.

    One that fails must not keep the others waiting. An account of which no answer comes is left
    alone until the next run: nobody is to wait for it again and again.
    """
    done, silent = 0, set()
    due = selectors.labels_due(now=now)
    rows = due.values_list("shipment", "shipment__adapter", "shipment__account")
    for shipment_id, *where in rows[:LOOKED_AT]:
        if tuple(where) in silent:
            continue
        try:
            if not call_carrier(shipment_id=shipment_id, now=now):
                silent.add(tuple(where))
        except Exception:
            logger.exception("A carrier could not be called about %s", shipment_id)
        else:
            done += 1
        if done == AT_ONCE:
            break
    return done


@transaction.atomic
def _claim(shipment_id: str, now: datetime) -> Call | None:
    """Return what to ask, which nobody else asks for a while: first what is due first."""
    shipment, now = lock_shipment(shipment_id), max(now, timezone.now())
    if shipment.status == Shipment.Status.CREATED and shipment.order.is_cancelled():
        shipment.void_label(now)
        save(shipment)
    due = (label for label in shipment.tries if label.is_to_ask(now))
    label = min(due, key=lambda label: str(label.due_at), default=None)
    if label is None:
        return None
    wanted, until = _wanted(shipment, label), now + CLAIM
    label.claim(now, until)
    shipment.save_part(label)
    save(shipment)
    is_void, number = label.is_to_void, label.tracking_number
    return Call(label.id, shipment.adapter, wanted, is_void, number, until)


def _wanted(shipment: Shipment, label: Label) -> Wanted:
    order = shipment.order
    return Wanted(
        label_id=label.id,
        shipment_id=shipment.id,
        order_number=order.number,
        carrier=shipment.carrier,
        service=shipment.service,
        account=shipment.account,
        recipient=order.shipping_address or {},
        sender=invoices.selectors.seller(shipment.organization_id),
        parcels=tuple(
            Parcel(**{name: Decimal(value) for name, value in package.items() if value is not None})
            for package in shipment.packages
        ),
        currency=shipment.currency,
        signature_required=shipment.signature_required,
        reference=label.reference,
        asked_at=label.asked_at,
        asked_last_at=label.asked_last_at,
    )


def _store(call: Call, answer: object) -> tuple[str, str]:
    """Keep a PDF that is ours to keep, before anybody hears of it."""
    if isinstance(answer, Bought) and answer.pdf is not None:
        return files.store(call.label_id, answer.pdf)
    return "", ""


@transaction.atomic
def _record(
    shipment_id: str,
    call: Call,
    answer: Quoted | Bought | Literal["void"],
    path: str,
    digest: str,
) -> None:
    shipment, label, now = *_locked(shipment_id, call), timezone.now()
    if isinstance(answer, Quoted):
        # The first stays: whoever else was slow may be buying under it.
        label.reference = label.reference or answer.reference[:255]
        if label.due_at and not label.is_claimed(now):
            label.due_at, label.last_error = now, ""
    elif isinstance(answer, Bought):
        _take(shipment, label, answer, now, path=path, digest=digest)
    elif label.is_to_void and label.tracking_number == call.tracking_number:
        # Where a label is still waited for, it is to be seen why there is none.
        is_open = shipment.status == Shipment.Status.CREATED
        label.settle(Status.VOIDED, now, label.last_error if is_open else "")
    save(shipment)


def _take(
    shipment: Shipment, label: Label, bought: Bought, now: datetime, *, path: str, digest: str
) -> None:
    """A label is sold; if nobody needs it any more, it goes back."""
    if _is_another(label, bought):
        label = _second(shipment, label, bought)
    if label.status == Status.BOUGHT:
        return
    label.reference = label.reference or (bought.reference and bought.reference[:255])
    label.tracking_number = bought.tracking_number[:64]
    label.carrier_cost, label.carrier_currency = bounded(bought.carrier_cost), bought.currency
    label.path, label.sha256 = path, digest
    is_wanted = label.status == Status.WANTED and shipment.status == Shipment.Status.CREATED
    if not is_wanted or shipment.order.is_cancelled():
        label.last_error = ""
        label.void(now)
    elif selectors.is_number_in_use(shipment, label.tracking_number):
        error = (
            f"{shipment.carrier} gave the tracking number of another parcel under way, "
            f"{label.tracking_number}: the label goes back, ask for another."
        )
        shipment.refuse_label(label=label, error=error, at=now)
        label.void(now)
    else:
        shipment.take_label(
            label=label,
            url=files.signed_url(label) if path else bought.url or "",
            estimated_delivery=bought.estimated_delivery,
            at=now,
        )


def _is_another(label: Label, bought: Bought) -> bool:
    """Whether a carrier has sold something besides what the label stands for already."""
    if label.reference and bought.reference:
        return label.reference != bought.reference
    return label.tracking_number not in (None, bought.tracking_number[:64])


def _second(shipment: Shipment, label: Label, bought: Bought) -> Label:
    """Return the label of a second sale, which nobody needs: it is paid, so it goes back."""
    number = bought.tracking_number[:64]
    second = next((each for each in shipment.tries if each.tracking_number == number), None)
    if second is None:
        second = Label(
            shipment=shipment,
            status=Status.VOID_WANTED,
            requested_by=label.requested_by,
            requested_at=label.requested_at,
        )
        shipment.tries.append(second)
    shipment.save_part(second)
    return second


@transaction.atomic
def _record_refusal(shipment_id: str, call: Call, error: str) -> None:
    """The carrier does not sell it, or does not take it back."""
    shipment, label, now = *_locked(shipment_id, call), timezone.now()
    if label.is_claimed(now):
        return  # somebody else asks again, and hears what holds
    if label.status == Status.WANTED and not call.is_void:
        shipment.refuse_label(label=label, error=error, at=now)
    elif label.is_to_void and call.is_void:
        label.settle(Status.VOID_REFUSED, now, error)
    elif label.is_to_void and not label.tracking_number:
        label.settle(Status.VOIDED, now)  # nothing was sold that could go back
    save(shipment)


@transaction.atomic
def _record_silence(shipment_id: str, call: Call, error: str) -> None:
    shipment, label, now = *_locked(shipment_id, call), timezone.now()
    if label.due_at and not label.is_claimed(now):
        label.plan_call(error, now)
    save(shipment)


def _locked(shipment_id: str, call: Call) -> tuple[Shipment, Label]:
    """Return what was asked about, of which the claim ends, unless it is somebody else's now."""
    shipment = lock_shipment(shipment_id)
    label = next(label for label in shipment.tries if label.id == call.label_id)
    if label.claimed_until == call.claimed_until:
        label.claimed_until = None
    shipment.save_part(label)
    return shipment, label
