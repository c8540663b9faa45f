"""As few rows and lines, and as many, as a budget is counted for."""

from tests.factories import LineFactory

ROWS = (1, 30)  # of a list
PARTS = (1, 12)  # lines of one row, whatever else there is
LINES = {1: 1, 12: 12, 30: 12}


def lines(size):
    return [LineFactory() for _ in range(LINES[size])]
