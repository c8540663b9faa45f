"""What other contexts' facts make invoices do, and the calls to storage and mail server."""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from smtplib import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
)
from socket import gaierror
from typing import Any

from celery import shared_task
from django.db.models import QuerySet
from django.utils import timezone

import payments.selectors
from events.models import Event as EventRow
from events.reactions import reacts_to
from events.timers import moment
from invoices import files, mail, selectors, services
from invoices.events import CreditNoteIssued, InvoiceCreated
from invoices.models import Document, InvoiceDelivery
from orders.events import OrderConfirmed
from payments.events import RefundSucceeded

logger = logging.getLogger(__name__)

TURN = 2.0  # seconds for each kind of work; as often as beat starts a run, which goes on

# Errors that the next mail would meet too.
AWAY = (
    ConnectionError,
    TimeoutError,
    gaierror,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPServerDisconnected,
)
REFUSED = (SMTPRecipientsRefused, SMTPResponseException)  # this mail, for what it is


@reacts_to(OrderConfirmed)
def bill_confirmed_order(fact: OrderConfirmed, about: EventRow) -> None:
    """What is sold is billed, a free order too."""
    services.issue_invoice(order_id=fact.order_id)


@reacts_to(InvoiceCreated)
def queue_new_invoice(fact: InvoiceCreated, about: EventRow) -> None:
    """The customer gets it without asking."""
    services.queue_invoice(invoice_id=fact.invoice_id)


@reacts_to(RefundSucceeded)
def credit_refund(fact: RefundSucceeded, about: EventRow) -> None:
    """What was billed and went back is no sale any more, by whatever way it went.

    Money that never counted, because it came twice or by mistake, was not billed either.
    """
    if not payments.selectors.counts(fact.payment_id):
        return
    services.issue_credit_note(
        order_id=fact.order_id,
        refund_id=fact.refund_id,
        amount=fact.amount,
        currency=fact.currency,
        reason=fact.reason,
    )


@reacts_to(CreditNoteIssued)
def queue_new_credit_note(fact: CreditNoteIssued, about: EventRow) -> None:
    """Accountants file it beside its invoice."""
    services.queue_document(invoice_id=fact.invoice_id, credit_note_id=fact.credit_note_id)


@shared_task
def deliver_documents(now: str | None = None) -> int:
    """Render and mail what is due; return how much was done. `now` is ISO 8601."""
    given = moment(now)

    def clock() -> datetime:  # a run may last longer than a claim
        return max(given, timezone.now())

    rendered = _work_off(selectors.to_render, _render, clock)
    return rendered + _work_off(selectors.to_mail, _mail, clock)


def _work_off(
    due: Callable[..., QuerySet[Any]], act: Callable[[Any], None], clock: Callable[[], datetime]
) -> int:
    """Act on one row after the other; what fails is due again later, and holds up no other.

    It ends with its turn: relays and reactions wait for the same workers.
    """
    done, turn_ends = 0, time.monotonic() + TURN
    while time.monotonic() < turn_ends and (row := services.claim(due(now=clock()), now=clock())):
        try:
            act(row)
        except AWAY as error:
            logger.warning("The server is away: %r", error)
            services.put_off(row, error=repr(error), at=clock())
            services.hold_back(due(now=clock()), error=repr(error), at=clock())
        except OSError as error:
            logger.warning("%s is put off: %r", row.pk, error)
            is_refused = isinstance(error, REFUSED)
            services.put_off(row, error=repr(error), at=clock(), is_refused=is_refused)
        except Exception as error:
            logger.exception("%s is put off", row.pk)
            services.put_off(row, error=repr(error), at=clock())
        else:
            done += 1
    return done


def _render(document: Document) -> None:
    path, sha256 = files.store(document)
    services.record_rendering(document_id=document.id, path=path, sha256=sha256, at=timezone.now())


def _mail(delivery: InvoiceDelivery) -> None:
    url = mail.send(delivery)
    services.record_delivery(delivery_id=delivery.id, pdf_url=url, at=timezone.now())
