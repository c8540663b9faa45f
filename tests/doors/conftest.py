from tests.broker.conftest import consumer, consumers, new_connection  # noqa: F401
