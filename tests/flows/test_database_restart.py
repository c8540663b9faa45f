"""After a restart of PostgreSQL, no request gets a dead connection."""

import http.client

import pytest
from django.db import connection

from tests.broker.conftest import wait_until
from tests.broker.test_processes import process

pytestmark = pytest.mark.django_db(transaction=True)


def test_dead_connections_of_the_pool_are_replaced(monkeypatch, unused_tcp_port):
    address = f"localhost:{unused_tcp_port}"
    monkeypatch.setenv("DATABASE_POOL_SIZE", "4")
    monkeypatch.setenv("PGAPPNAME", "web")  # what libpq calls the connections of the process

    def status():
        web = http.client.HTTPConnection(address, timeout=20)
        try:
            web.request("GET", "/health/ready")
            return web.getresponse().status
        except ConnectionError:
            return None
        finally:
            web.close()

    with process("-m", "gunicorn", "config.wsgi", "-b", address, "--threads", "4"):
        wait_until(lambda: status() == 200, "gunicorn does not respond")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'web' AND datname = current_database()"
                " AND pid <> pg_backend_pid()"
            )
            assert cursor.fetchall(), "the pool has no connection"
        assert [status() for _ in range(8)] == [200] * 8
