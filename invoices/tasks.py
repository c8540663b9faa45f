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

from config.core.timers import moment
from invoices import files, mail, selectors, services
from invoices.models import Document, InvoiceDelivery

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
