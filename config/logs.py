"""Log lines as JSON, with the request's id and without secrets or personal data."""

import re
import sys
from typing import Any

import structlog

from config.core import request_context

# The fields of a line besides its message. Other fields, which libraries add, are left out.
FIELDS = ("event_id", "stream", "organization_id", "status", "duration_ms")

# Credentials and personal data are replaced. Each pattern begins at a boundary and uses possessive
# quantifiers (++), so that matching takes linear time.
_SECRETS = (
    (re.compile(r"(?i)\bbearer\s++\S++"), "Bearer [token]"),
    (re.compile(r"(?<![\w-])eyJ[\w-]++\.[\w-]++\.[\w-]*+"), "[token]"),
    (re.compile(r":[0-9A-Za-z]++:[\w-]{43}(?![\w-])"), ":[signature]"),  # of a link to a document
    (re.compile(r"(?<![\w+.-])([\w+.-]++://[^\s:/@]*+):[^\s/]*@"), r"\1:[password]@"),
    (
        re.compile(r"(?<![^\s\"'<>(),:;=/@])[^\s\"'<>(),:;=/@]++@(?:[\w-]++\.)+[^\W\d_][\w-]+"),
        "[email]",
    ),
    # PostgreSQL quotes the rejected row, with its line breaks.
    (
        re.compile(r"(?s)DETAIL: .*?(?=\nCONTEXT:|\n\nThe above exception|\n\nDuring handling|\Z)"),
        "DETAIL: [row]",
    ),
)


def configuration(*, level: str, as_json: bool) -> dict[str, Any]:
    """Return Django's LOGGING: everything to standard error, a line each."""
    exceptions = [structlog.processors.format_exc_info] if as_json else []
    renderer: Any = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        pad_event_to=0,
        event_key="message",
        timestamp_key="time",
        exception_formatter=structlog.dev.plain_traceback,  # without the values of variables
    )
    if as_json:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [
                    structlog.processors.TimeStamper(fmt="iso", key="time"),
                    structlog.stdlib.add_log_level,
                    structlog.stdlib.add_logger_name,
                    structlog.stdlib.ExtraAdder(FIELDS),
                    _add_request,
                ],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *exceptions,
                    structlog.processors.EventRenamer("message"),
                    _redact,
                    renderer,
                ],
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "loggers": {
            # Without their own handlers, which would write other formats.
            "django": {"handlers": [], "propagate": True},
            "gunicorn.error": {"handlers": [], "propagate": True},
            "django.request": {"level": "ERROR"},  # the access log has the other responses
            # At INFO they would log each run of the sweep.
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
        },
        "root": {"handlers": ["console"], "level": level},
    }


def _add_request(logger: Any, method: str, line: dict[str, Any]) -> dict[str, Any]:
    now = request_context.current()
    for name in ("request_id", "organization_id"):
        if value := getattr(now, name):
            line.setdefault(name, value)
    return line


def _redact(logger: Any, method: str, line: dict[str, Any]) -> dict[str, Any]:
    return {key: _clean(value) if isinstance(value, str) else value for key, value in line.items()}


def _clean(text: str) -> str:
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
