"""The script of `make load`."""

import os

import django

from tests import environment  # noqa: F401  before Django reads its settings

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from tests.benchmarks import loaded

    loaded.load()
