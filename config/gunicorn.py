"""The web server's settings: `gunicorn --config python:config.gunicorn config.wsgi`.

`WEB_CONCURRENCY` is the number of processes, `GUNICORN_CMD_ARGS` overrides anything.
"""

import os
from typing import Any

from prometheus_client import multiprocess

from config import settings

bind = ["0.0.0.0:8000"]
worker_class = "gthread"
threads = 8  # not more than DATABASE_POOL_SIZE: each request holds one connection
timeout = 30  # seconds that a process may be silent
graceful_timeout = 25  # seconds to finish what is at work, before the host loses patience
keepalive = 75  # seconds; longer than a load balancer's, so that it is the one who hangs up
worker_tmp_dir = "/dev/shm"  # heartbeats must not wait for a disk
control_socket_disable = True
forwarded_allow_ips = ""  # whom to believe is a setting of the service: TRUSTED_PROXIES
logconfig_dict = settings.LOGGING


def child_exit(server: Any, worker: Any) -> None:
    """What a dead process counted stays counted; what it had at that moment does not."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
