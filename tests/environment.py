"""The environment of the tests. pytest loads it (`-p`) before Django reads its settings.

Exchange, queues and stored files are this process's own, so that several can run beside each other.
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
    "SECRET_KEY": "a-key-of-the-tests-that-is-long-enough-for-anybody",
    "JWT_SECRET": "a-secret-of-the-tests-that-is-long-enough",
    "DATABASE_URL": os.environ.get(
        "TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres"
    ),
    "DATABASE_POOL_SIZE": "0",  # the database is dropped at the end: nobody may hold a connection
    "CELERY_BROKER_URL": _broker,
    "EVENTS_BROKER_URL": _broker,
    "EVENTS_EXCHANGE": _name,
    "EVENTS_QUEUE_PREFIX": f"{_name}.",
    "API_THROTTLE": "",  # a suite asks more in a minute than a service may
    "LOG_LEVEL": "WARNING",
}

gc.set_threshold(100_000, 50, 100)  # a suite keeps much and makes few cycles: 7 % less time
