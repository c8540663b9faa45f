"""Queries on invoices. Nothing here writes."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet, prefetch_related_objects
from django.db.models.functions import Now, Substr

from config.core.models import NumberSeries
from config.core.unit_of_work import EVERYTHING
from invoices.models import CreditNote, Document, Invoice, InvoiceDelivery, Seller
from orders import selectors as orders

if TYPE_CHECKING:
    from orders.models import Order

# The offsets from UTC of the time zones in which a year begins first, and last.
FIRST_ZONE, LAST_ZONE = timedelta(hours=14), timedelta(hours=12)
NUMBERED: dict[str, type[Invoice] | type[CreditNote]] = {"INV": Invoice, "CN": CreditNote}

# Invoices whose mail or PDF fails.
NOT_SENT = Q(
    pk__in=InvoiceDelivery.objects.filter(
        Q(invoice__status=Invoice.Status.ISSUED) | Q(credit_note__isnull=False),
        status=InvoiceDelivery.Status.QUEUED,
    )
    .exclude(last_error="")
    .order_by()
    .values("invoice")
    .union(Document.objects.filter(rendered_at=None).exclude(last_error="").values("invoice"))
)
# Invoices that cannot be mailed until an operator gives an address.
WITHOUT_ADDRESS = Q(status=Invoice.Status.ISSUED, customer_email=None) & ~Exists(
    InvoiceDelivery.objects.filter(invoice=OuterRef("pk"))
)


def with_parts() -> QuerySet[Invoice]:
    """Return invoices with their credit notes, documents and deliveries."""
    return Invoice.objects.prefetch_related("credit_note_set", "documents", "delivery_set")


def get_for_update(invoice_id: str, visible: Q = EVERYTHING) -> Invoice:
    """Return an invoice. Its order is locked until the transaction ends."""
    return orders.find_for_update(Invoice, invoice_id, visible)


def of_order_for_update(order: "Order") -> Invoice | None:
    """Return the current invoice of an order that is locked, if it has one."""
    return next((each for each in orders.of_order(Invoice, order) if each.is_current()), None)


def complete(invoice: Invoice) -> Invoice:
    """Add the documents to an invoice in hand, as they are now."""
    prefetch_related_objects([invoice], "documents")
    return invoice


def seller(organization_id: str) -> dict[str, Any]:
    """Return the seller profile of an organization, or else the default of the settings."""
    own = Seller.objects.filter(pk=organization_id).first()
    return own.profile() if own else settings.DEFAULT_SELLER


def document(document_id: str) -> Document | None:
    """Return a document with its invoice and credit note, if it exists."""
    return Document.objects.select_related("invoice", "credit_note").filter(pk=document_id).first()


def to_render(now: datetime | Now) -> QuerySet[Document]:
    """Return the documents that are due to be rendered, the longest due first."""
    due = Document.objects.filter(rendered_at=None, due_at__lte=now)
    return due.select_related("invoice", "credit_note").order_by("due_at")


def to_anonymize(now: datetime) -> QuerySet[Invoice]:
    """Return the invoices that the law does not require any more, the oldest first.

    It may return a few that are required still: `Invoice.is_required` knows their clock.
    """
    first = _begin_of(now.year - settings.INVOICE_RETENTION_YEARS) + LAST_ZONE
    return Invoice.objects.filter(anonymized_at=None, issued_at__lt=first).order_by("issued_at")


def _year(series: str) -> Substr:
    """Return the year of a number, for a query: it is that of the issue by the seller's clock."""
    return Substr("number", len(series) + 2, 4)


def _begin_of(year: int) -> datetime:
    return datetime(year, 1, 1, tzinfo=UTC)


def to_mail(now: datetime | Now) -> QuerySet[InvoiceDelivery]:
    """Return the deliveries that are due and whose PDF is rendered, the longest due first."""
    rendered = Document.objects.filter(rendered_at__isnull=False)
    of_invoice = Exists(rendered.filter(invoice=OuterRef("invoice"), credit_note=None))
    of_note = Exists(rendered.filter(credit_note=OuterRef("credit_note")))
    due = InvoiceDelivery.objects.filter(
        Q(of_invoice, credit_note=None) | Q(of_note),
        status=InvoiceDelivery.Status.QUEUED,
        due_at__lte=now,
    )
    return due.select_related("invoice", "credit_note").order_by("due_at")


class AnnualSeries(NamedTuple):
    """A series of numbers of an organization in a year: `INV-2025` or `CN-2025`."""

    organization_id: str
    series: str
    year: int


def annual_series(organization_id: str | None = None) -> list[AnnualSeries]:
    """Return every series that has a counter, an invoice or a credit note."""
    of_organization = Q(organization_id=organization_id) if organization_id else Q()
    counters = NumberSeries.objects.filter(of_organization, series__in=NUMBERED)
    found = set(counters.values_list("organization_id", "series", "year"))
    for series, model in NUMBERED.items():
        rows = model._default_manager.filter(of_organization).annotate(year=_year(series))
        years = rows.order_by().values_list("organization_id", "year").distinct()
        found |= {(organization, series, int(year)) for organization, year in years}
    return [AnnualSeries(*each) for each in sorted(found)]


def check_series(annual: AnnualSeries) -> tuple[int, list[str]]:
    """Return how many numbers a series has issued, and a message for each error in them.

    Numbers may be issued during the check: those that the second reading of the counter adds are
    accepted, but not required.
    """
    counter = NumberSeries.objects.filter(**annual._asdict())
    last = sum(counter.values_list("last", flat=True))
    series, year = annual.series, annual.year
    rows = NUMBERED[series]._default_manager.filter(
        organization_id=annual.organization_id,
        # A bound that the index serves; the exact one follows.
        issued_at__gte=_begin_of(year) - FIRST_ZONE,
        issued_at__lt=_begin_of(year + 1) + LAST_ZONE,
        number__startswith=f"{series}-{year}-",
    )
    # Numbers that were issued at one moment are in order.
    issued = [(at, len(number), number) for at, number in rows.values_list("issued_at", "number")]
    found = [number for *_, number in sorted(issued)]
    uses = Counter(found)
    last_now = sum(counter.values_list("last", flat=True))
    numbers = [f"{series}-{year}-{n:04d}" for n in range(1, last_now + 1)]
    errors = [f"{number} is missing" for number in numbers[:last] if number not in uses]
    errors += [f"{number} is used {n} times" for number, n in sorted(uses.items()) if n > 1]
    errors += [
        f"{number} was not taken from the counter" for number in sorted(uses.keys() - {*numbers})
    ]
    by_number = sorted(found, key=lambda number: (len(number), number))
    errors += [
        f"{number} was not issued after {before}"
        for before, number, in_issue_order in zip(by_number, by_number[1:], found[1:], strict=False)
        if number != in_issue_order
    ][:1]
    return last, [f"{annual.organization_id}: {error}." for error in errors]
