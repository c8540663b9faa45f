"""What the log and the API hold about a person: see `events.people`."""

from config.api.models import IdempotencyRecord
from events.models import EventRecord, Outbox
from events.people import holds

# The bodies of events are erased field by field: see `events.schema.erase`.
holds(EventRecord, "stream")
holds(Outbox, "stream", erase={"last_error": ""})
# A repeated request still receives the status of the first one, and is not executed again.
holds(IdempotencyRecord, "stream", erase={"body": ""}, hide=["key", "fingerprint"])
