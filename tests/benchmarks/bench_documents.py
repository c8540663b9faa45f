"""What documents cost: the processor's time of a long one, and the memory of many."""

import os
import resource
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median

import pytest

from config.pdf import rendering
from invoices import documents
from invoices.models import Document, Invoice
from invoices.models.lines import Line as InvoiceLine
from tests.benchmarks.measure import PAIRS, Line, spread, table
from tests.benchmarks.stack import seconds_of, tree_of
from tests.pdf.scripts import SCRIPTS

pytestmark = pytest.mark.django_db

LINES = 500
DOCUMENTS = 1000


def test_a_long_invoice():
    """Render an invoice of 500 lines of all scripts; the first one also starts the compiler."""
    document = invoice(LINES)
    first = processor_seconds(lambda: documents.render(document))
    costs = [processor_seconds(lambda: documents.render(document)) for _ in range(PAIRS)]
    what = f"an invoice of {LINES} lines of all scripts, s of processor (the first {first:.2f})"
    table.append(Line(what, spread(costs), "≤ 0.50", median(costs) <= 0.5))


def test_memory():
    """Render many invoices: neither this process nor that of a document grows."""
    documents.render(invoice(3))
    before = resident()
    for number in range(DOCUMENTS):
        documents.render(invoice(1 + number % 3))
    grown = resident() - before
    what = f"memory that {DOCUMENTS} documents leave behind in the worker, in MB"
    table.append(Line(what, f"{grown:.1f}", "≤ 10", grown <= 10))
    for compiler in rendering._idle:
        compiler.communicate()
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    what = "memory of the largest process of a document, in MB"
    table.append(Line(what, f"{largest:.0f}", "≤ 400", largest <= 400))


def invoice(lines: int) -> Document:
    """Return the document of an invoice that is not in the database."""
    at, texts = datetime(2026, 1, 2, tzinfo=UTC), list(SCRIPTS.values())
    titles = (f"{texts[n % 16][2]} {texts[(n * 7 + 3) % 16][0]} {n}" for n in range(lines))
    issued = Invoice.issue(
        currency="EUR",
        lines=[line(title) for title in titles],
        organization_id="org_1",
        number="INV-2026-0001",
        order_id="order_1",
        order_number="ORD-2026-0001",
        ordered_at=at,
        seller={"name": "Casa Luna"},
        buyer={"name": texts[lines % 16][0], "line1": texts[lines % 16][1]},
        issued_at=at,
    )
    return Document(invoice=issued)


def line(title: str) -> InvoiceLine:
    """Return a line with this title."""
    price = Decimal("12.50")
    return InvoiceLine(
        title=title,
        variant_id="var_1",
        quantity=1,
        unit_price=price,
        discount=Decimal(0),
        net=price,
        tax_rate=Decimal(0),
        tax=Decimal(0),
        total=price,
    )


def processor_seconds(run: Callable[[], object]) -> float:
    """Return the processor's time of a run, with that of the processes that it starts."""
    before = sum(map(seconds_of, tree_of(os.getpid())))
    run()
    return sum(map(seconds_of, tree_of(os.getpid()))) - before


def resident() -> float:
    """Return the memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024**2
