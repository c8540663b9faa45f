"""Runs a module as `python -m` does; its workers append each finished task to TASKS_FILE.

It is run by its path, because an older checkout does not have it.
"""

import os
import runpy
import sys

from celery.signals import task_postrun, worker_ready

file = os.open(os.environ["TASKS_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@worker_ready.connect
def write_ready(**kwargs: object) -> None:
    os.write(file, b"ready\n")


@task_postrun.connect
def write_task(task: object, **kwargs: object) -> None:
    os.write(file, f"{task.name}\n".encode())  # type: ignore[attr-defined]


sys.path[0] = os.getcwd()
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
