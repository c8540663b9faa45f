"""After the faults, nothing stays pending: what was recorded is published."""

from collections.abc import Iterator

from tests.flows.lives.evidence import Evidence, Finding, event_of


def recorded_events_are_published(evidence: Evidence) -> Iterator[Finding]:
    """The consumer has the events of each order's timeline, and no others."""
    for order in evidence.orders:
        recorded = [event for event in evidence.story(order) if event.sequence]
        received = evidence.events[order["id"]]
        if recorded != received:
            missing = [event for event in recorded if event not in received]
            invented = [event for event in received if event not in recorded]
            yield order["id"], f"not received: {missing}; not recorded: {invented}"


def the_feed_has_what_was_received(evidence: Evidence) -> Iterator[Finding]:
    """Carts have no timeline: the feed of published events has them too."""
    feed = {
        entry["id"]: (entry["stream"], event_of(entry["envelope"], entry["sequence"]))
        for entry in evidence.rows["events"]
    }
    received = {
        message.id: (message.place[0], event)
        for message in evidence.messages
        for event in evidence.events[message.place[0]]
        if event.sequence == message.place[1]
    }
    for event_id in sorted(feed.keys() | received.keys()):
        if feed.get(event_id) != received.get(event_id):
            text = f"the feed has {feed.get(event_id)}, the consumer {received.get(event_id)}"
            yield event_id, text


def gateways_have_answered(evidence: Evidence) -> Iterator[Finding]:
    """What waits for a customer or an operator may stay open."""
    for payment in evidence.rows["payments"]:
        if payment["status"] == "opening":
            yield payment["order_id"], f"{payment['id']} is still opening"
        is_manual = payment["payment_method"] in ("manual", "external")
        for refund in payment["refunds"]:
            is_by_hand = refund["method"] != "original_payment" or is_manual
            if refund["status"] == "pending" and not is_by_hand:
                yield payment["order_id"], f"{refund['id']} is still pending"
    for shipment in evidence.rows["shipments"]:
        if shipment["on_hold"]:
            continue  # its label is bought after the release
        if shipment["label"] and shipment["label"]["status"] in ("wanted", "void_wanted"):
            yield shipment["order_id"], f"the label of {shipment['id']} is {shipment['label']}"
    for invoice in evidence.rows["invoices"]:
        for mail in invoice["deliveries"]:
            if mail["status"] != "sent":
                yield invoice["order_id"], f"{invoice['number']} is not mailed: {mail}"


JUDGES = [recorded_events_are_published, the_feed_has_what_was_received, gateways_have_answered]
