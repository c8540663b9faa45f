"""Settings of the web server: `gunicorn --config python:config.gunicorn config.wsgi`.

`WEB_CONCURRENCY` sets the number of processes; `GUNICORN_CMD_ARGS` overrides all settings.
"""

import gc
import os
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from prometheus_client import multiprocess

from config import settings

bind = ["0.0.0.0:8000"]
preload_app = True  # the processes share the memory of what is imported
worker_class = "gthread"
threads = 8
timeout = 30  # seconds without a heartbeat before a process is killed
graceful_timeout = 25  # seconds to finish running requests, less than the host grants
keepalive = 75  # seconds; longer than the load balancer's, so that it closes connections first
worker_tmp_dir = "/dev/shm"  # so that heartbeats do not wait for a disk
control_socket_disable = True
forwarded_allow_ips = ""  # the service trusts proxies by its setting TRUSTED_PROXIES
logconfig_dict = settings.LOGGING


def on_starting(server: Any) -> None:
    """Refuse to start if all connections can be held by requests that wait for a second one."""
    pool, threads = settings.DATABASES["default"]["OPTIONS"].get("pool"), server.cfg.threads
    if pool and pool["max_size"] <= threads:
        raise ImproperlyConfigured(
            f"DATABASE_POOL_SIZE is {pool['max_size']}: it must be more than the {threads} threads "
            "of gunicorn. Each request holds a connection, and some take a number with another one."
        )


def when_ready(server: Any) -> None:
    """Keep garbage collections from writing to objects that the processes share."""
    gc.collect()
    gc.freeze()


def child_exit(server: Any, worker: Any) -> None:
    """Remove the gauges of a process that has ended; its counters stay."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
