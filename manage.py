#!/usr/bin/env python
"""Django's command line."""

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036  (an older one would end in an ImportError)
    sys.exit("Python 3.11 or newer is needed; this is {}.{}.".format(*sys.version_info))

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
