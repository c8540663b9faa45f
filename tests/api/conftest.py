from typing import Any

import pytest


@pytest.fixture
def order() -> dict[str, Any]:
    return {"currency": "USD", "items": [{"quantity": 1, "unit_price": "1.5"}]}
