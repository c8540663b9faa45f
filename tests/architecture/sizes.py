"""As few rows and lines, and as many, as a budget is counted for."""

from tests.factories import LineFactory

ROWS = (1, 100)  # as many as a page has
LINES = {1: 1, 100: 12}


def lines(size):
    return [LineFactory() for _ in range(LINES[size])]
