"""Every stream arrives gapless from 1 and in order; a duplicate is identical."""

from collections import defaultdict
from collections.abc import Iterator

from tests.broker.conftest import Message
from tests.flows.lives.evidence import Evidence, Finding


def sequences_have_no_gap(evidence: Evidence) -> Iterator[Finding]:
    for stream, events in evidence.events.items():
        found = [event.sequence for event in events]
        if missing := sorted(set(range(1, found[-1] + 1)) - set(found)):
            yield stream, f"the sequence has {found[-1]} events, but {missing} are missing"


def messages_arrive_in_order(evidence: Evidence) -> Iterator[Finding]:
    """The first arrivals of a stream ascend; a duplicate may come later."""
    last: defaultdict[str, int] = defaultdict(int)
    seen = set[tuple[str, int]]()
    for message in evidence.messages:
        stream, sequence = message.place
        if message.place not in seen and sequence < last[stream]:
            yield stream, f"{sequence} ({message.properties.type}) came after {last[stream]}"
        seen.add(message.place)
        last[stream] = max(last[stream], sequence)


def duplicates_are_identical(evidence: Evidence) -> Iterator[Finding]:
    first: dict[tuple[str, int], Message] = {}
    for message in evidence.messages:
        earlier = first.setdefault(message.place, message)
        if (earlier.id, earlier.body) != (message.id, message.body):
            stream, sequence = message.place
            yield stream, f"{sequence} is {earlier.id}, and later {message.id}: {message.body!r}"


JUDGES = [sequences_have_no_gap, messages_arrive_in_order, duplicates_are_identical]
