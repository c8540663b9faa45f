"""The carriers of the shipments' tests."""

import pytest

from shipments.carriers.registry import CARRIERS
from tests.shipments.recorder import Recorder


@pytest.fixture
def carrier(monkeypatch):
    """The sandbox, which remembers what it was asked."""
    recorder = Recorder()
    monkeypatch.setitem(CARRIERS, "sandbox", recorder)
    return recorder
