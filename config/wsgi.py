"""The WSGI application: `gunicorn config.wsgi`."""

import io
import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

UTF_8 = re.compile(r"[^;]*;\s*charset=\"?utf-?8\"?\s*", re.IGNORECASE).fullmatch
django = get_wsgi_application()

from django.conf import settings  # noqa: E402  (needs Django to be set up)
from django.core.management.base import BaseCommand  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from config import database  # noqa: E402

database.use_timeouts("web")
get_resolver().url_patterns  # noqa: B018  imports all views, before gunicorn forks
BaseCommand().check(tags=["events"])  # as manage.py does: no process starts that would lose events


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Pass each request body to Django with its length, and close connections on its request.

    Django reads CONTENT_LENGTH bytes of the body: without that header, as with
    `Transfer-Encoding: chunked`, it would drop the body. At most one byte more than
    DATA_UPLOAD_MAX_MEMORY_SIZE is read, which `config.api.middleware.BodyLimit` refuses.
    """
    if environ.get("wsgi.input_terminated") and environ.pop("HTTP_TRANSFER_ENCODING", None):
        body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        environ |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}

    # Django decodes a parameter like `a*=`, and the query, in the charset that the header names. If
    # it cannot, no response follows.
    content_type = environ.get("CONTENT_TYPE", "")
    if "*" in content_type or ("charset" in content_type.lower() and not UTF_8(content_type)):
        environ["CONTENT_TYPE"] = "application/octet-stream"

    def respond(*args: Any) -> Any:
        # gunicorn ignores a `Connection` header of the application.
        if environ.get("close_connection"):
            start_response.__self__.force_close()  # type: ignore[attr-defined]
        return start_response(*args)

    return django(environ, respond)
