"""One line for each event, for people who watch them go by."""

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


def wants_colour(stream: IO[str] | OutputWrapper) -> bool:
    """Colour is for terminals, and not for people who set NO_COLOR."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def paint(text: str, sgr: str, colour: bool) -> str:
    """Return the text in a terminal's rendition (`1` is bold), or as it is."""
    return f"\x1b[{sgr}m{text}\x1b[0m" if colour and text else text


def short(text: str) -> str:
    """Return the text with each of our own ids cut down to its kind and last six characters."""
    return _ULID_ID.sub(r"\1…\2", text)


def safe(text: str) -> str:
    """Return the text with what could steer a terminal, or hide in it, written as JSON escapes."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def line(
    body: bytes, headers: Mapping[str, Any], *, colour: bool = False, width: int | None = None
) -> str:
    """Return the time (UTC), what, the stream with the number in it, and what else the data says.

    Null values and what the line already shows are left out. Data that `width` has no room for
    goes below, on at most three lines. A message that is no envelope is shown as it is.
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
    start = f"{paint(when, DIM, colour)}  {paint(what, hue, colour)}  {paint(where, DIM, colour)}"
    return "\n".join(part.rstrip() for part in f"{start}  {rest}".split("\n"))


def full(body: bytes, headers: Mapping[str, Any], *, colour: bool = False) -> str:
    """Return the line and, below it, the whole message with its values as they were sent."""
    first = line(body, headers, colour=colour)
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
