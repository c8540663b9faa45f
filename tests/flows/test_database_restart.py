"""What a restart of PostgreSQL costs: nobody answers 500 because of a connection that has died."""

import subprocess
import sys

import pytest
from django.conf import settings

from tests.broker.conftest import environment

pytestmark = pytest.mark.django_db(transaction=True)

WEB = """
import django; django.setup()
import psycopg
from django.db import connection
from django.test import Client

client = Client(SERVER_NAME="localhost")
print(client.get("/health/ready").status_code)
with connection.cursor() as cursor:
    cursor.execute("SELECT pg_backend_pid()")
    (own,) = cursor.fetchone()
connection.close()  # back into the pool
names = ("host", "port", "dbname", "user", "password")
server = {k: v for k, v in connection.get_connection_params().items() if k in names}
with psycopg.connect(**server) as other:
    other.execute("SELECT pg_terminate_backend(%s)", [own])
for _ in range(3):
    print(client.get("/health/ready").status_code)
"""


def test_a_connection_of_the_pool_that_has_died_is_replaced():
    answered = subprocess.run(
        [sys.executable, "-c", WEB],
        env=environment(DJANGO_SETTINGS_MODULE="config.settings", DATABASE_POOL_SIZE="4"),
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert answered.stdout.split() == ["200"] * 4
