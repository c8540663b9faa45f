from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    help_text = "how many requests Schemathesis generates for each operation and phase"
    parser.addoption("--examples", type=int, default=5, help=help_text)


@pytest.fixture
def order() -> dict[str, Any]:
    return {"currency": "USD", "items": [{"quantity": 1, "unit_price": "1.5"}]}
