"""The small and the large number of rows and lines for which queries are counted."""

from tests.factories import LineFactory

SIZES = (1, 5)
# The outbox sends them in a pipeline, after one that is counted.
PIPELINED = (
    "INSERT INTO events_eventrecord ",
    "INSERT INTO events_outbox ",
    "INSERT INTO events_reaction ",
    "SELECT event.number, ",
)


def lines(size):
    return [LineFactory() for _ in range(size)]
