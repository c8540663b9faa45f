"""Call carriers to buy and to void labels; `config.core.outbound` describes the steps.

The idempotency key of a repeated call is the label's id.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

import invoices.selectors
from config.core import outbound
from config.core.money import bounded
from config.core.unit_of_work import unit_of_work
from shipments import files, selectors
from shipments.carriers import (
    CarrierTimeout,
    LabelRequest,
    Package,
    PartlyRefused,
    PurchasedLabel,
    Quote,
)
from shipments.carriers.registry import CARRIERS
from shipments.exceptions import CarrierRefused
from shipments.models import Label, Shipment

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=90)  # longer than a call takes
MAX_CALLS = 2  # a quote and a purchase; the timer makes further calls

Status = Label.Status


@dataclass(frozen=True)
class Call:
    """A call to a carrier about a leased label."""

    label_id: str
    adapter: str
    request: LabelRequest
    is_void: bool
    tracking_number: str | None
    leased_until: datetime

    def make(self) -> Quote | PurchasedLabel | None:
        """Return the result, None if the label is void. Raises CarrierTimeout, CarrierRefused."""
        carrier = CARRIERS[self.adapter]
        if not self.is_void:
            return carrier.buy_label(self.request)
        carrier.void_label(self.request, self.tracking_number)
        return None


@dataclass(frozen=True)
class DueCall:
    """A shipment, and the call about its labels that only the caller makes, if one is due."""

    shipment: Shipment
    call: Call | None


def call_carrier(*, shipment_id: str, now: datetime | None = None) -> outbound.Outcome:
    """Make the due calls about a shipment's labels; return the outcome of the last one."""
    outcome, _ = make_calls(lease_due_call(shipment_id=shipment_id, now=now or timezone.now()), now)
    return outcome


def make_calls(due: DueCall, now: datetime | None = None) -> tuple[outbound.Outcome, Shipment]:
    """Make the call, outside any transaction, and a second one if it is due after that.

    Return the outcome of the last one, and the shipment with the results.
    """
    outcome: outbound.Outcome = "skipped"
    for number in range(1, MAX_CALLS + 1):
        if not (call := due.call):
            return outcome, due.shipment
        shipment_id, outcome = due.shipment.id, "done"
        again_at = None if number == MAX_CALLS else now or timezone.now()
        try:
            result = call.make()
            path, digest = _store(call, result)
            due = _record(shipment_id, call, result, path, digest, again_at)
        except CarrierTimeout as timeout:
            return "no_response", _record_failure(shipment_id, call, str(timeout))
        except CarrierRefused as refusal:
            due = _record_refusal(shipment_id, call, str(refusal), again_at)
        except PartlyRefused as refusal:
            due = _record_refusal(shipment_id, call, str(refusal), again_at, is_partial=True)
        except OSError as error:  # of the storage: the carrier returns the same label again
            logger.warning("The label %s is not stored: %r", call.label_id, error)
            error_text = f"The label could not be stored: {error!r}"
            return outcome, _record_failure(shipment_id, call, error_text)
        except Exception as error:  # a bug, which operators should see
            logger.exception("The call about the label %s failed", call.label_id)
            return outcome, _record_failure(shipment_id, call, repr(error))
    return outcome, due.shipment


def call_due_carriers(*, now: datetime) -> int:
    """Make the calls that are due at `now`; return the number of labels."""
    organization = "shipment__organization_id"
    due = selectors.due_labels(now=now).values_list(
        "shipment", organization, "shipment__adapter", "shipment__account"
    )
    return outbound.call_due(
        outbound.in_turns(due, organization),
        lambda shipment_id: call_carrier(shipment_id=shipment_id, now=now),
    )


@unit_of_work()
def lease_due_call(*, shipment_id: str, now: datetime) -> DueCall:
    """Lease the label whose call is due first; buy none while the order is on hold."""
    shipment = selectors.get_for_update(shipment_id)
    call = _lease_due_label(shipment, now)
    shipment.save()
    return DueCall(shipment, call)


def _lease_due_label(shipment: Shipment, now: datetime) -> Call | None:
    """Lease the label whose call is due first, and return the call. The caller saves."""
    now = max(now, timezone.now())
    if shipment.status == Shipment.Status.CREATED and shipment.order.is_cancelled():
        shipment.void_label(now)
    is_held = shipment.order.is_held()
    due = (
        label
        for label in shipment.labels
        if label.is_callable(now) and (label.is_void_pending or not is_held)
    )
    label = min(due, key=lambda label: str(label.due_at), default=None)
    if label is None:
        return None
    request = _label_request(shipment, label)  # before the lease counts this call
    leased_until = label.lease(now, LEASE)
    shipment.save_part(label)
    is_void, number = label.is_void_pending, label.tracking_number
    return Call(label.id, shipment.adapter, request, is_void, number, leased_until)


def _label_request(shipment: Shipment, label: Label) -> LabelRequest:
    order = shipment.order
    return LabelRequest(
        label_id=label.id,
        shipment_id=shipment.id,
        organization_id=shipment.organization_id,
        order_number=order.number,
        carrier=shipment.carrier,
        service=shipment.service,
        account=shipment.account,
        recipient=order.shipping_address or {},
        sender=invoices.selectors.seller(shipment.organization_id),
        packages=tuple(
            Package(
                **{name: Decimal(value) for name, value in package.items() if value is not None}
            )
            for package in shipment.packages
        ),
        currency=shipment.currency,
        signature_required=shipment.signature_required,
        reference=label.reference,
        first_called_at=label.first_called_at,
        last_purchase_call_at=label.last_purchase_call_at,
    )


def _store(call: Call, result: Quote | PurchasedLabel | None) -> tuple[str, str]:
    """Store the PDF of a label, if the carrier sent one, before its event is published."""
    if isinstance(result, PurchasedLabel) and result.pdf is not None:
        return files.store(call.label_id, result.pdf)
    return "", ""


@unit_of_work()
def _record(
    shipment_id: str,
    call: Call,
    result: Quote | PurchasedLabel | None,
    path: str,
    digest: str,
    again_at: datetime | None = None,
) -> DueCall:
    """Record the result; with `again_at`, lease the call that is due then."""
    shipment, label, now = *_locked(shipment_id, call), timezone.now()
    if isinstance(result, Quote):
        # The first reference stays, because another caller may be buying the label under it.
        label.reference = label.reference or result.reference
        if label.due_at and not label.is_leased(now):
            label.due_at, label.last_error = now, ""
    elif isinstance(result, PurchasedLabel):
        _record_purchase(shipment, label, result, now, path=path, digest=digest)
    elif label.is_void_pending and label.tracking_number == call.tracking_number:
        # While the shipment still needs a label, operators should see why it has none.
        is_open = shipment.status == Shipment.Status.CREATED
        label.settle(Status.VOIDED, now, label.last_error if is_open else "")
    return _save(shipment, again_at)


def _record_purchase(
    shipment: Shipment,
    label: Label,
    purchased: PurchasedLabel,
    now: datetime,
    *,
    path: str,
    digest: str,
) -> None:
    """Give the label to the shipment; void it if the shipment does not need or cannot use it."""
    if _is_another(label, purchased):
        label = _second_label(shipment, label, purchased)
    if label.status == Status.BOUGHT:
        return
    label.reference = label.reference or purchased.reference
    label.tracking_number = purchased.tracking_number[:64]
    label.carrier_cost = bounded(purchased.carrier_cost)
    label.carrier_currency = purchased.currency
    label.path, label.sha256 = path, digest
    further = {number[:64]: url for number, url in purchased.further.items()}
    is_needed = label.status == Status.WANTED and shipment.status == Shipment.Status.CREATED
    if not is_needed or shipment.order.is_cancelled():
        label.last_error = ""
        label.request_void(now)
    elif selectors.others_with(shipment, [label.tracking_number, *further]).exists():
        error = (
            f"{shipment.carrier} sold a label with the tracking number of another shipment under "
            f"way, {label.tracking_number}. The label will be voided: request another."
        )
        shipment.refuse_label(label=label, error=error, at=now)
        label.request_void(now)
    else:
        shipment.receive_label(
            label=label,
            url=files.signed_url(label) if path else purchased.url or "",
            further=further,
            estimated_delivery=purchased.estimated_delivery,
            at=now,
        )


def _is_another(label: Label, purchased: PurchasedLabel) -> bool:
    """Return whether this is a second purchase, besides the one that the row records."""
    if label.reference and purchased.reference:
        return label.reference != purchased.reference
    return label.tracking_number not in (None, purchased.tracking_number[:64])


def _second_label(shipment: Shipment, label: Label, purchased: PurchasedLabel) -> Label:
    """Return the row of a second purchase. It is paid for and not needed, so it will be voided."""
    number = purchased.tracking_number[:64]
    second = next((each for each in shipment.labels if each.tracking_number == number), None)
    if second is None:
        second = Label(
            shipment=shipment,
            status=Status.VOID_WANTED,
            requested_by=label.requested_by,
            requested_at=label.requested_at,
        )
        shipment.labels.append(second)
    shipment.save_part(second)
    return second


@unit_of_work()
def _record_refusal(
    shipment_id: str,
    call: Call,
    error: str,
    again_at: datetime | None = None,
    *,
    is_partial: bool = False,
) -> DueCall:
    """Record that the carrier refuses to sell or to void the label.

    If it has sold those of some packages, they are voided.
    """
    shipment, label, now = *_locked(shipment_id, call), timezone.now()
    if label.is_leased(now):
        pass  # another caller is calling, and records its own result
    elif label.status == Status.WANTED and not call.is_void:
        shipment.refuse_label(label=label, error=error, at=now)
        if is_partial:
            label.last_purchase_call_at = None  # it has an answer: nothing more will be bought
            label.request_void(now)
    elif label.is_void_pending and call.is_void:
        label.settle(Status.VOID_REFUSED, now, error)
    elif label.is_void_pending and not label.tracking_number and not is_partial:
        label.settle(Status.VOIDED, now)  # it was not sold, so there is nothing to void
    return _save(shipment, again_at)


@unit_of_work()
def _record_failure(shipment_id: str, call: Call, error: str) -> Shipment:
    shipment, label, now = *_locked(shipment_id, call), timezone.now()
    if label.due_at and not label.is_leased(now):
        label.schedule_retry(now, error)
    shipment.save()
    return shipment


def _save(shipment: Shipment, again_at: datetime | None) -> DueCall:
    """Save the result of a call; with `again_at`, lease the call that is due then.

    Both in one transaction: a kill between them would leave the purchase to the timer, and the
    client that waits for the label without it.
    """
    call = _lease_due_label(shipment, again_at) if again_at else None
    shipment.save()
    return DueCall(selectors.get_for_update(shipment.id), call)  # with the consequences


def _locked(shipment_id: str, call: Call) -> tuple[Shipment, Label]:
    """Lock the shipment and end the caller's lease of the label, unless another has it now."""
    shipment = selectors.get_for_update(shipment_id)
    label = next(label for label in shipment.labels if label.id == call.label_id)
    label.release(call.leased_until)
    shipment.save_part(label)
    return shipment, label
