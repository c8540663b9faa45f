"""The small and the large number of rows and lines for which budgets are counted.

What grows by a query for each row grows from one to five.
"""

from tests.factories import LineFactory

SIZES = (1, 5)


def lines(size):
    return [LineFactory() for _ in range(size)]
