"""What the log and the API hold about a person: see `events.people`."""

from collections.abc import Sequence

from django.db.models import Q

from config.api.models import IdempotencyRecord
from events.models import EventRecord, Outbox
from events.people import holds


def _of_requests(streams: Sequence[str]) -> Q:
    """Return a condition: the stored responses to requests about the orders and carts."""
    ids = "|".join(streams)
    return Q(path__regex=ids) | Q(body__regex=ids)


# The bodies of events are erased field by field: see `events.schema.erase`.
holds(EventRecord, "stream")
holds(Outbox, "stream", erase={"last_error": ""})
# A repeated request still receives the status of the first one, and is not executed again.
holds(IdempotencyRecord, _of_requests, erase={"body": ""}, hide=["key", "fingerprint"])
