"""The lines of `tail_events`; the content of events is not trusted."""

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from events.operations import console

ORDER = "order_01KAVT5XK1Q8R5N3J2Z9M4H7B6"
HEADERS = {"x-stream": ORDER, "x-sequence": 2}


def body(data: str, event: str = "order.created") -> bytes:
    return (
        f'{{"event":"{event}","version":"1.0","timestamp":"2025-11-23T15:00:00Z",'
        f'"organization_id":"org_1","data":{data}}}'
    ).encode()


def test_a_line_shows_time_event_stream_and_data() -> None:
    data = f'{{"order_id":"{ORDER}","order_number":"ORD-2025-0001","total_amount":125.50}}'

    assert console.line(body(data), HEADERS) == (
        "15:00:00  order.created            order_…M4H7B6 #2   "
        "order_number=ORD-2025-0001 total_amount=125.50"
    )


def test_numbers_keep_their_digits() -> None:
    assert console.line(body('{"a":10.00,"b":1300,"c":0.001}'), HEADERS).endswith(
        "a=10.00 b=1300 c=0.001"
    )


def test_repeated_values_and_nulls_are_left_out() -> None:
    data = '{"a":null,"at":"2025-11-23T15:00:00Z","organization_id":"org_1","b":true}'

    assert console.line(body(data), HEADERS).endswith("#2   b=true")


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ('{"items":[{"variant_id":"var_1","quantity":2},{"variant_id":"var_2","quantity":1}]}',
         "items=2×var_1,1×var_2"),
        ('{"stock_to_release":[]}', "stock_to_release=none"),
        ('{"why":"Your card was declined"}', 'why="Your card was declined"'),
        ('{"cart_id":"cart_01KAVT5XK1Q8R5N3J2Z9ABCDEF"}', "cart_id=cart_…ABCDEF"),
        ('{"unforeseen":{"a":1},"list":[[1],{"b":2}]}', "unforeseen={…} list=1,{…}"),
    ],
)  # fmt: skip
def test_values_are_abbreviated(data: str, shown: str) -> None:
    assert console.line(body(data), HEADERS).endswith(shown)


def test_long_data_wraps_and_is_cut_after_three_lines() -> None:
    few = console.line(
        body('{"first":"' + "x" * 20 + '","second":"' + "y" * 20 + '"}'), HEADERS, width=60
    )
    many = console.line(body('{"a":"' + "x" * 400 + '"}'), HEADERS, width=60)

    assert few.split("\n")[1:] == [" " * 10 + "first=" + "x" * 20, " " * 10 + "second=" + "y" * 20]
    assert len(many.split("\n")) == 4
    assert many.endswith("…")
    assert all(len(part) <= 60 and part == part.rstrip() for part in f"{few}\n{many}".split("\n"))


HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e\u2028\r\n\x7f\u200b"


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("show", [console.line, console.full])
@pytest.mark.parametrize("place", ["name", "key", "value", "stream", "sequence", "not json"])
def test_control_characters_are_escaped(show: Any, place: str, color: bool) -> None:
    text = json.dumps(HOSTILE)[1:-1]
    hostile = {
        "name": body("{}", event=text),
        "key": body(f'{{"{text}":1}}'),
        "value": body(json.dumps({"a": HOSTILE, "b": [HOSTILE]}, ensure_ascii=False)),
        "not json": HOSTILE.encode(),
    }.get(place, body("{}"))
    headers = dict(HEADERS)
    if place in ("stream", "sequence"):
        headers[f"x-{place}"] = HOSTILE

    shown = show(hostile, headers, color=color)

    for rendition in ("0", "1", "2", "36"):
        shown = shown.replace(f"\x1b[{rendition}m", "")
    assert all(part.isprintable() for part in shown.split("\n"))
    assert len(shown.split("\n")) == 1 or show is console.full


@pytest.mark.parametrize(
    "sent", [b"", b"[1]", b"null", b'"text"', b"\xff\xfe", b'{"event":"a"}', b"[" * 100_000]
)
@pytest.mark.parametrize("show", [console.line, console.full])
def test_other_bodies_are_shown_unchanged(sent: bytes, show: Any) -> None:
    assert show(sent, {}).startswith("not an envelope: ")


def test_the_full_message_keeps_every_value() -> None:
    shown = console.full(body('{"amount":125.50,"name":"Pérez","none":null}'), HEADERS)

    message = shown.split("\n", 1)[1]
    assert '"amount": 125.50' in message
    assert '"name": "Pérez"' in message
    assert '"none": null' in message


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_color_needs_a_terminal_and_respects_no_color(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert console.wants_color(Terminal())
    assert not console.wants_color(io.StringIO())

    monkeypatch.setenv("NO_COLOR", "1")
    assert not console.wants_color(Terminal())


def test_the_memory_broker_cannot_be_read_from_another_process(settings: Any) -> None:
    settings.EVENTS_BROKER_URL = "memory://"

    with pytest.raises(CommandError, match=r"`make run` prints its events\s+itself"):
        call_command("tail_events", skip_checks=True)


def test_an_unavailable_broker_is_reported_in_one_line(settings: Any) -> None:
    settings.EVENTS_BROKER_URL = "amqp://127.0.0.1:1//"

    with pytest.raises(CommandError, match="The broker does not respond: "):
        call_command("tail_events", skip_checks=True)
