"""Chains run twice: with reactions in the transaction of their event, and in a worker."""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from tests.reacting import as_rows


@pytest.fixture(params=["at once", "as rows"])
def both_ways(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run the test a second time with every reaction turned into a row."""
    with nullcontext() if request.param == "at once" else as_rows():
        yield
