from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from config.api import tokens


class Api(Client):
    """A service that speaks JSON and holds a token."""

    def post(self, path: str, data: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
        kwargs = {"content_type": "application/json", **kwargs}
        return super().post(path, {} if data is None else data, **kwargs)


@pytest.fixture
def caller() -> Callable[..., Api]:
    """Make a client; an error inside a view is answered, as in production."""

    def make(scope: str = "*", organization: str = "org_1", subject: str = "user_1") -> Api:
        token = tokens.issue(
            organization_id=organization,
            subject=subject,
            scope=scope,
            lifetime=timedelta(minutes=5),
        )
        return Api(raise_request_exception=False, headers={"Authorization": f"Bearer {token}"})

    return make


@pytest.fixture
def api(caller: Callable[..., Api]) -> Api:
    return caller()


@pytest.fixture
def order() -> dict[str, Any]:
    return {"currency": "USD", "items": [{"quantity": 1, "unit_price": "1.5"}]}
