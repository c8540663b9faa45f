"""Formats events for a terminal, one line each."""

import json
import os
import re
import textwrap
from collections.abc import Mapping
from typing import IO, Any

import msgspec
from django.core.management.base import OutputWrapper

DIM = "2"
BOLD = "1"
_HUES = {
    "cart": "33",
    "order": "36",
    "payment": "32",
    "fulfillment": "34",
    "shipment": "34",
    "return": "35",
    "invoice": "32",
}
_BELOW = " " * 10  # under the event's name
_ULID_ID = re.compile(r"\b([a-z]+_)[0-9A-HJKMNP-TV-Z]{20}([0-9A-HJKMNP-TV-Z]{6})\b")


def wants_color(stream: IO[str] | OutputWrapper) -> bool:
    """Return whether the stream is a terminal and NO_COLOR is not set."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def paint(text: str, sgr: str, color: bool) -> str:
    """Return the text with an ANSI rendition (`1` is bold), or unchanged without color."""
    return f"\x1b[{sgr}m{text}\x1b[0m" if color and text else text


def short(text: str) -> str:
    """Return the text with each ULID id shortened to its prefix and last six characters."""
    return _ULID_ID.sub(r"\1…\2", text)


def safe(text: str) -> str:
    """Return the text with control and invisible characters written as JSON escapes."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def line(
    body: bytes, headers: Mapping[str, Any], *, color: bool = False, width: int | None = None
) -> str:
    """Return the time (UTC), the event, the stream with the sequence, and the data.

    Null values and values that the line already shows are left out. Data that exceeds `width`
    continues on at most three further lines. A body that is not an envelope is shown unchanged.
    """
    try:
        envelope = json.loads(body, parse_float=str, parse_int=str)
        timestamp, name = str(envelope["timestamp"]), str(envelope["event"])
        data = dict(envelope["data"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return _fit(f"not an envelope: {safe(body.decode(errors='replace'))}", 0, width)
    stream = str(headers.get("x-stream", "-"))
    shown = (None, timestamp, stream, envelope.get("organization_id"))
    when = safe(timestamp[11:19])
    what = safe(f"{name:<23}")
    where = safe(f"{short(stream):<13} #{headers.get('x-sequence', '-'):<2}")
    rest = safe(" ".join(f"{k}={_brief(v)}" for k, v in data.items() if v not in shown))
    rest = _fit(rest, len(f"{when}  {what}  {where}  "), width)
    hue = _HUES.get(name.partition(".")[0], BOLD)
    start = f"{paint(when, DIM, color)}  {paint(what, hue, color)}  {paint(where, DIM, color)}"
    return "\n".join(part.rstrip() for part in f"{start}  {rest}".split("\n"))


def full(body: bytes, headers: Mapping[str, Any], *, color: bool = False) -> str:
    """Return the line and, below it, the complete body with its values as they were sent."""
    first = line(body, headers, color=color)
    try:
        message = msgspec.json.format(body, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return first
    return "\n".join([first, *(f"    {safe(part)}" for part in message.split("\n"))])


def _brief(value: Any) -> str:
    match value:
        case list():
            return ",".join(_brief(entry) for entry in value) or "none"
        case {"variant_id": variant, "quantity": quantity}:
            return f"{quantity}×{_brief(variant)}"
        case dict():
            return "{…}"
        case bool():
            return str(value).lower()
    text = short(str(value))
    return json.dumps(text, ensure_ascii=False) if " " in text else text


def _fit(text: str, start: int, width: int | None) -> str:
    if width is None or start + len(text) <= width:
        return text
    room = max(width - len(_BELOW), 20)
    below = textwrap.wrap(text, room, max_lines=3, placeholder=" …", break_on_hyphens=False)
    return "".join(f"\n{_BELOW}{part}" for part in below)
