"""As few rows and lines, and as many, as a budget is counted for.

What grows by a query for each row grows from one to five.
"""

from tests.factories import LineFactory

SIZES = (1, 5)


def lines(size):
    return [LineFactory() for _ in range(size)]
