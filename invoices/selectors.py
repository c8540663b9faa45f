"""Reading invoices. Nothing here writes."""

from collections import Counter
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from config.core.models import NumberSeries
from invoices.models import CreditNote, Document, Invoice, InvoiceDelivery, Seller
from orders import selectors as orders

NUMBERED: dict[str, Any] = {"INV": Invoice, "CN": CreditNote}  # by series

# Invoices that wait for somebody: to see why a mail or a PDF fails; and to find out where to mail.
NOT_SENT = Q(
    pk__in=InvoiceDelivery.objects.filter(
        status=InvoiceDelivery.Status.QUEUED, invoice__status=Invoice.Status.ISSUED
    )
    .exclude(last_error="")
    .order_by()
    .values("invoice")
    .union(Document.objects.filter(rendered_at=None).exclude(last_error="").values("invoice"))
)
WITHOUT_ADDRESS = Q(status=Invoice.Status.ISSUED, customer_email=None) & ~Exists(
    InvoiceDelivery.objects.filter(invoice=OuterRef("pk"))
)


def with_parts() -> QuerySet[Invoice]:
    """Return invoices to show or to change, with their credit notes, documents and deliveries."""
    return Invoice.objects.prefetch_related("credit_notes", "documents", "deliveries")


def lock(invoice_id: str) -> Invoice:
    """Return an invoice of which, as of its order, nobody else changes anything meanwhile."""
    order_id = Invoice.objects.values_list("order_id", flat=True).get(pk=invoice_id)
    orders.get_for_update(order_id)
    return _locked().get(pk=invoice_id)


def lock_of_order(order_id: str) -> Invoice | None:
    """Return the invoice of an order that is locked already, or None if it has none."""
    return _locked().filter(order_id=order_id).first()


def _locked() -> QuerySet[Invoice]:
    return with_parts().select_for_update(no_key=True)


def seller(organization_id: str) -> dict[str, str]:
    """Return who sells: the organization's profile, else the default of the settings."""
    own = Seller.objects.filter(pk=organization_id).first()
    return own.profile() if own else settings.DEFAULT_SELLER


def document(document_id: str) -> Document | None:
    """Return a PDF with what it is of, if there is one."""
    return Document.objects.select_related("invoice", "credit_note").filter(pk=document_id).first()


def to_render(*, now: datetime) -> QuerySet[Document]:
    """Return documents that are due to be rendered, the longest due first."""
    due = Document.objects.filter(rendered_at=None, due_at__lte=now)
    return due.select_related("invoice", "credit_note").order_by("due_at")


def to_mail(*, now: datetime) -> QuerySet[InvoiceDelivery]:
    """Return mails that are due and whose PDF is rendered, the longest due first."""
    rendered = Document.objects.filter(
        invoice=OuterRef("invoice"), credit_note=None, rendered_at__isnull=False
    )
    due = InvoiceDelivery.objects.filter(
        Exists(rendered), status=InvoiceDelivery.Status.QUEUED, due_at__lte=now
    )
    return due.select_related("invoice").order_by("due_at")


class YearSeries(NamedTuple):
    """The numbers of an organization in a year: those of `INV-2025` or `CN-2025`."""

    organization_id: str
    series: str
    year: int


def number_series(organization_id: str | None = None) -> list[YearSeries]:
    """Return every series that numbers have been taken from, or that a number pretends to be of."""
    mine = Q(organization_id=organization_id) if organization_id else Q()
    counted = NumberSeries.objects.filter(mine, series__in=NUMBERED)
    found = set(counted.values_list("organization_id", "series", "year"))
    for series, model in NUMBERED.items():
        years = model.objects.filter(mine).values_list("organization_id", "issued_at__year")
        found |= {(organization, series, year) for organization, year in years.distinct()}
    return [YearSeries(*each) for each in sorted(found)]


def check_numbers(of: YearSeries) -> tuple[int, list[str]]:
    """Return how many numbers a series has given out, and what is wrong with them.

    Numbers may be taken meanwhile: each is there from the moment at which it counts as taken.
    """
    series = NumberSeries.objects.filter(**of._asdict())
    last = sum(series.values_list("last", flat=True))
    rows = NUMBERED[of.series].objects.filter(
        organization_id=of.organization_id, issued_at__year=of.year
    )
    there = list(rows.order_by("issued_at", "id").values_list("number", flat=True))
    counted = Counter(there)
    given = [f"{of.series}-{of.year}-{n:04d}" for n in range(1, last + 1)]
    taken_since = sum(series.values_list("last", flat=True)) - last
    later = {f"{of.series}-{of.year}-{last + n:04d}" for n in range(1, taken_since + 1)}
    wrong = [f"{number} is missing" for number in given if number not in counted]
    wrong += [f"{number} is there {n} times" for number, n in sorted(counted.items()) if n > 1]
    wrong += [
        f"{number} was never given out" for number in sorted(counted.keys() - {*given} - later)
    ]
    by_number = sorted(there, key=lambda number: (len(number), number))
    wrong += [
        f"{number} was not issued after {before}"
        for before, number, place in zip(by_number, by_number[1:], there[1:], strict=False)
        if number != place
    ][:1]
    return last, [f"{of.organization_id}: {each}." for each in wrong]
