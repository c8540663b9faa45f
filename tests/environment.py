"""The environment of the tests; pytest loads it (`-p`) before Django reads the settings.

Each process has its own exchange, queues and files, so that several suites can run at once.
"""

import atexit
import gc
import os
import secrets
import shutil
import tempfile

_name = f"test-{secrets.token_hex(4)}"
_broker = os.environ.get("TEST_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//")
_media = tempfile.mkdtemp(prefix="media-")
atexit.register(shutil.rmtree, _media, ignore_errors=True)
os.environ |= {
    "MEDIA_ROOT": f"{_media}/media",
    "DEBUG": "true",
    "ALLOWED_HOSTS": "testserver,localhost",
    "SECRET_KEY": "a-key-of-the-tests-that-is-certainly-longer-than-fifty",
    "METRICS_TOKEN": "a-token-of-the-tests-for-prometheus-only",
    "JWT_SECRET": "a-secret-of-the-tests-that-is-long-enough",
    "DATABASE_URL": os.environ.get(
        "TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres"
    ),
    "DATABASE_POOL_SIZE": "0",  # PostgreSQL does not drop a database with open connections
    "CELERY_BROKER_URL": _broker,
    "EVENTS_BROKER_URL": _broker,
    "EVENTS_EXCHANGE": _name,
    "EVENTS_QUEUE_PREFIX": f"{_name}.",
    "API_THROTTLE": "",  # a suite sends more requests than the limit
    "LOG_LEVEL": "WARNING",
}

gc.set_threshold(100_000, 50, 100)  # many objects, few cycles: 7 % less time
