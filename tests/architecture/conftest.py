"""Fixtures of the budgets."""

import pytest


@pytest.fixture(autouse=True)
def held_rows_are_stored() -> None:
    """Do not compare rows, which takes queries."""
