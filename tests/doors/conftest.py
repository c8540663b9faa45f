import pytest

from tests.broker.conftest import consumer, consumers, new_connection  # noqa: F401


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--hostile", type=int, default=50, help="hostile requests to each context")
    parser.addoption("--hostile-seed", type=int, default=20261130, help="the seed of these")
