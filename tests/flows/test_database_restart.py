"""What a restart of PostgreSQL costs: nobody answers 500 because of a connection that has died."""

import subprocess
import sys

import pytest
from django.conf import settings
from django.db import connection

from tests.broker.conftest import environment

pytestmark = pytest.mark.django_db(transaction=True)

WEB = """
import django; django.setup()
from django.test import Client
client = Client(SERVER_NAME="localhost")
while True:
    print(client.get("/health/ready").status_code, flush=True)
    if not input():
        break
"""


def test_connections_of_the_pool_that_have_died_are_replaced():
    env = environment(DJANGO_SETTINGS_MODULE="config.settings", DATABASE_POOL_SIZE="4")
    env["DATABASE_URL"] += "?application_name=web"
    web = subprocess.Popen(
        [sys.executable, "-c", WEB],
        env=env,
        cwd=settings.BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with web, connection.cursor() as cursor:
        answers = [web.stdout.readline()]
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'web' AND datname = current_database()"
        )
        assert cursor.fetchall(), "the pool has no connection"
        for _ in range(4):
            web.stdin.write("again\n")
            web.stdin.flush()
            answers.append(web.stdout.readline())
        web.stdin.write("\n")
    assert answers == ["200\n"] * 5
