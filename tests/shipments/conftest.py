"""The fixtures of the tests of shipments."""

import pytest

from shipments.carriers.registry import CARRIERS
from tests.shipments.recorder import Recorder


@pytest.fixture
def carrier(monkeypatch):
    """The sandbox with a record of its calls."""
    recorder = Recorder()
    monkeypatch.setitem(CARRIERS, "sandbox", recorder)
    return recorder
