"""The small and the large number of rows and lines for which queries are counted."""

from tests.factories import LineFactory

SIZES = (1, 5)


def lines(size):
    return [LineFactory() for _ in range(size)]
