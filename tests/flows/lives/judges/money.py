"""Captured, refunded and invoiced amounts add up in the API and equal the payment events."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal

from tests.flows.lives.evidence import Event, Evidence, Finding, named
from tests.flows.lives.state import Row


def amount(value: str | Decimal) -> Decimal:
    return Decimal(value)


def total(values: Iterable[str | Decimal]) -> Decimal:
    return sum(map(amount, values), Decimal(0))


def order_totals_add_up(evidence: Evidence) -> Iterator[Finding]:
    for order in evidence.orders:
        shipping, tax = order["shipping"], Decimal(0) if order["tax_inclusive"] else order["tax"]
        off = total([order["discount"]["amount"], shipping["discount"]["amount"]])
        added = total([order["subtotal"], shipping["cost"], tax]) - off
        of_lines = total(line["total"] for line in order["items"]) + amount(shipping["total"])
        if not added == of_lines == amount(order["total"]):
            text = f"its parts are {added}, its lines {of_lines}"
            yield order["id"], f"the total is {order['total']}, and {text}"
        for event in named("order.created", evidence.events[order["id"]]):
            if event.data["total_amount"] != amount(order["total"]):
                yield order["id"], f"the total is {order['total']}, in the event {event.data}"


def payments_add_up(evidence: Evidence) -> Iterator[Finding]:
    """No cent is refunded twice, and the sums of a payment are those of its refunds."""
    for payment in evidence.rows["payments"]:
        captured, left = amount(payment["captured"]), amount(payment["max_refundable"])
        sums = {
            "refunded": total(
                r["amount"] for r in payment["refunds"] if r["status"] == "succeeded"
            ),
            "refunding": total(r["amount"] for r in payment["refunds"] if r["status"] == "pending"),
        }
        for name, found in sums.items():
            waived = amount(payment["waived"]) if name == "refunded" else 0
            if amount(payment[name]) + waived != found:
                text = f"{payment['id']} has {name} {payment[name]}, its refunds {found}"
                yield payment["order_id"], text
        waived = amount(payment["waived"])
        if left < 0 or left != captured + waived - sum(sums.values()):
            yield payment["order_id"], f"{payment['id']} has {left} left of {captured}: {sums}"


def captures_equal_the_events(evidence: Evidence) -> Iterator[Finding]:
    """Each capture is published once, and a mismatched one only if it is applied to the order."""
    for order in evidence.orders:
        for payment in evidence.of("payments", order):
            captured = amount(payment["captured"])
            is_published = not payment["moved_from"] and is_revenue(payment, order, evidence)
            expected = [captured] if captured and is_published else []
            found = [e.data["amount"] for e in of_payment("payment.succeeded", payment, evidence)]
            if found != expected:
                text = f"{payment['id']} captured {captured}, its payment.succeeded say {found}"
                yield order["id"], text


def refunds_equal_the_events(evidence: Evidence) -> Iterator[Finding]:
    """What published a capture publishes each refund to the original payment, and nothing else."""
    for payment in evidence.rows["payments"]:
        is_published = payment["moved_from"] or of_payment("payment.succeeded", payment, evidence)
        found = of_payment("payment.refunded", payment, evidence)
        expected = [
            amount(refund["amount"])
            for refund in payment["refunds"]
            if is_published
            and refund["status"] == "succeeded"
            and refund["method"] == "original_payment"
        ]
        amounts = sorted(event.data["refund_amount"] for event in found)
        if amounts != sorted(expected):
            text = f"{payment['id']} refunded {expected}, its payment.refunded say {amounts}"
            yield payment["order_id"], text


def refunds_never_exceed_captures(evidence: Evidence) -> Iterator[Finding]:
    for stream, events in evidence.events.items():
        left: defaultdict[str, Decimal] = defaultdict(Decimal)
        for payment in evidence.rows["payments"]:
            if payment["order_id"] == stream and payment["moved_from"]:
                left[payment["moved_from"]] += amount(payment["captured"])
        for event in events:
            if event.name == "payment.succeeded":
                left[event.data["payment_id"]] += event.data["amount"]
            elif event.name == "payment.refunded":
                paid_by = event.data["payment_id"]
                left[paid_by] -= event.data["refund_amount"]
                if left[paid_by] < 0:
                    yield stream, f"{paid_by} has refunded {-left[paid_by]} more than its captures"


def revenue_equals_the_books(evidence: Evidence) -> Iterator[Finding]:
    """What Analytics computes from payment events is what the API says, per currency."""
    revenue, books = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for order in evidence.orders:
        account = order["organization_id"], order["currency"]
        for event in evidence.events[order["id"]]:
            if event.name == "payment.succeeded":
                revenue[account] += event.data["amount"]
            elif event.name == "payment.refunded":
                revenue[account] -= event.data["refund_amount"]
        for payment in evidence.of("payments", order):
            if is_revenue(payment, order, evidence):
                captured = total([] if payment["moved_from"] else [payment["captured"]])
                books[account] += captured - refunded(payment)
    for account in sorted({*revenue, *books}):
        if revenue[account] != books[account]:
            text = f"the events make {revenue[account]}, the books {books[account]}"
            yield f"{account[0]} in {account[1]}", text


def is_revenue(payment: Row, order: Row, evidence: Evidence) -> bool:
    """Return whether its money pays the order, or did until it was refunded."""
    if payment["surplus_of"]:
        return False
    resolved = named("payment.mismatch_resolved", evidence.story(order))
    applied = {e.data["payment_id"] for e in resolved if e.data["resolution"] == "applied"}
    return not payment["is_mismatched"] or payment["id"] in applied


def refunded(payment: Row) -> Decimal:
    """Return what a payment has given back to where it came from."""
    return total(
        refund["amount"]
        for refund in payment["refunds"]
        if refund["status"] == "succeeded" and refund["method"] == "original_payment"
    )


def invoices_equal_the_payments(evidence: Evidence) -> Iterator[Finding]:
    """A confirmed order has one current invoice of its total, and credit notes for its refunds.

    Money that was captured when the order was paid already, or beyond its total, was not invoiced.
    An invoice that another one replaces is of the same total, and its credit notes leave nothing.
    """
    for order in evidence.orders:
        invoices = evidence.of("invoices", order)
        current = [invoice for invoice in invoices if not invoice["replaced_by"]]
        expected = [amount(order["total"])] if order["confirmed_at"] else []
        if (totals := [amount(invoice["total"]) for invoice in current]) != expected:
            yield order["id"], f"the invoices are {totals}, not {expected}"
        events = named("invoice.created", evidence.events[order["id"]])
        issued = [(event.data["invoice_id"], event.data["total_amount"]) for event in events]
        if issued != [(invoice["id"], amount(order["total"])) for invoice in invoices]:
            yield order["id"], f"invoice.created say {issued}"
        for invoice in invoices:
            left = amount(invoice["total"]) - total(n["total"] for n in invoice["credit_notes"])
            if invoice["replaced_by"] and left:
                yield order["id"], f"{invoice['number']} is replaced, and {left} is left of it"
        credited = {
            note["refund_id"]: amount(note["total"])
            for invoice in current
            for note in invoice["credit_notes"]
        }
        moved = [each for each in evidence.of("payments", order) if each["moved_from"]]
        before = total(each["captured"] for each in moved)
        due = payments_that_were_due(evidence.events[order["id"]], before)
        paying = [each for each in evidence.of("payments", order) if each["id"] in due]
        paying += moved if order["confirmed_at"] else []
        refunds = {
            refund["id"]: amount(refund["amount"])
            for payment in paying
            for refund in payment["refunds"]
            if refund["status"] == "succeeded"
        }
        kept = total(payment["captured"] for payment in paying) - total(refunds.values())
        is_right = total(credited.values()) == max(total(expected) - kept, Decimal(0))
        if not is_right or any(value > refunds.get(key, 0) for key, value in credited.items()):
            text = f"the credit notes are {credited}, the refunds {refunds}, and {kept} is kept"
            yield order["id"], text


def credit_notes_take_back_what_the_refunds_are_for(evidence: Evidence) -> Iterator[Finding]:
    """At each rate at most what was charged, and of each line what was refunded of it.

    Goodwill, which no line has, makes less than that possible at its rates.
    """
    for order in evidence.orders:
        payments = evidence.of("payments", order)
        refunds = {refund["id"]: refund for each in payments for refund in each["refunds"]}
        numbers = {line["id"]: number for number, line in enumerate(order["items"], 1)}
        for invoice in evidence.of("invoices", order):
            left = {
                kind_of(row): [amount(row["net"]), amount(row["tax"])] for row in invoice["rates"]
            }
            has_goodwill = False
            for note in invoice["credit_notes"]:
                if total(line["total"] for line in note["lines"]) != amount(note["total"]):
                    yield order["id"], f"the lines of {note['number']} do not sum to its total"
                for row in note["rates"]:
                    left[kind_of(row)][0] -= amount(row["net"])
                    left[kind_of(row)][1] -= amount(row["tax"])
                if note["refund_id"] is None:
                    continue  # it cancels the invoice
                refund, credited = refunds[note["refund_id"]], Counter[int]()
                has_goodwill |= any(line["kind"] == "goodwill" for line in note["lines"])
                has_goodwill |= refund["amount"] != note["total"]
                for line in note["lines"]:
                    credited[line["line"]] += amount(line["total"])
                expected = Counter[int]()
                for part in refund["parts"]:
                    number = numbers.get(part["order_item_id"], len(numbers) + 1)
                    expected[number] += amount(part["amount"])
                if not has_goodwill and credited != expected:
                    yield order["id"], f"{note['number']} credits {credited}, not {expected}"
            if any(min(amounts) < 0 for amounts in left.values()):
                yield order["id"], f"more is credited than was charged: {left} is left"
            if invoice["replaced_by"] and any(map(any, left.values())):
                yield order["id"], f"{invoice['number']} is replaced, and {left} is left of it"


def kind_of(row: Row) -> tuple[str | None, ...]:
    """Return the tax that a sum of an invoice is of."""
    return row["name"], row["tax_rate"], row["exemption"], row["note"]


def payments_that_were_due(events: list[Event], before: Decimal) -> set[str]:
    """Return the payments of a confirmed order that were captured before it was paid in full.

    `before` is what was captured for an order that it replaces.
    """
    due, payments = Decimal(0), set()
    for event in events:
        if event.name == "order.created":
            due = event.data["total_amount"] - before
        elif event.name == "payment.succeeded" and due > 0:
            due -= event.data["amount"]
            payments.add(event.data["payment_id"])
    return payments if named("order.confirmed", events) else set()


def returns_equal_their_refunds(evidence: Evidence) -> Iterator[Finding]:
    for order in evidence.orders:
        for row in evidence.of("returns", order):
            refunds = total(
                refund["amount"]
                for payment in evidence.of("payments", order)
                for refund in payment["refunds"]
                if refund["cause"] == row["id"] and refund["status"] == "succeeded"
            )
            if amount(row["refunded"]) != refunds:
                yield order["id"], f"{row['id']} has {row['refunded']}, its refunds {refunds}"
            for name, field in (("approved", "approved_amount"), ("refunded", "refunded")):
                for event in named(f"return.{name}", evidence.events[order["id"]]):
                    said, value = event.data["refund_amount"], row[field]
                    if event.data["return_id"] == row["id"] and said != amount(value):
                        yield order["id"], f"{row['id']} has {field} {value}, {event.name} {said}"


def cancelled_orders_say_whether_a_refund_is_due(evidence: Evidence) -> Iterator[Finding]:
    mismatched = {
        row["order_id"]
        for row in evidence.rows["payments"]
        if row["is_mismatched"] or row["surplus_of"]
    }
    moved = Counter[str]()  # into and out of an order
    for row in evidence.rows["payments"]:
        if row["moved_from"]:
            moved[row["order_id"]] += amount(row["captured"])
        moved[row["order_id"]] -= total(r["amount"] for r in row["refunds"] if r["moved_to"])
    for stream, events in evidence.events.items():
        paid = moved[stream]
        for event in events:
            if event.name == "payment.succeeded":
                paid += event.data["amount"]
            elif event.name == "payment.refunded":
                paid -= event.data["refund_amount"]
            elif event.name == "order.cancelled":
                is_wrong = event.data["refund_required"] != (paid > 0)
                if is_wrong and stream not in mismatched:
                    yield stream, f"{paid} was paid when it was cancelled: {event.data}"


def cancelled_orders_keep_no_money(evidence: Evidence) -> Iterator[Finding]:
    """What a cancelled order keeps is the money of refunds that failed or were withdrawn."""
    for order in evidence.orders:
        for payment in evidence.of("payments", order):
            failed = total(r["amount"] for r in payment["refunds"] if r["status"] == "failed")
            if order["status"] == "cancelled" and amount(payment["max_refundable"]) > failed:
                text = f"it is cancelled, and {payment['id']} keeps {payment['max_refundable']}"
                yield order["id"], text


def of_payment(name: str, payment: Row, evidence: Evidence) -> list[Event]:
    events = named(name, evidence.events[payment["order_id"]])
    known_as = payment["moved_from"] or payment["id"]
    return [event for event in events if event.data["payment_id"] == known_as]


JUDGES = [
    order_totals_add_up,
    payments_add_up,
    captures_equal_the_events,
    refunds_equal_the_events,
    refunds_never_exceed_captures,
    revenue_equals_the_books,
    invoices_equal_the_payments,
    credit_notes_take_back_what_the_refunds_are_for,
    returns_equal_their_refunds,
    cancelled_orders_say_whether_a_refund_is_due,
    cancelled_orders_keep_no_money,
]
