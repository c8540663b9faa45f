"""Hostile values of fields, parameters, headers and ids."""

import base64
import json
from collections.abc import Iterator
from random import Random
from typing import Any


class Raw:
    """A piece of JSON that `json.dumps` would not write, or not so."""

    def __init__(self, text: str) -> None:
        self.text = text


# No JSON, or no text that can be stored or sent as UTF-8: never accepted, where it is not ignored.
IMPOSSIBLE = [
    *map(Raw, ("NaN", "Infinity", "-Infinity", "nan", "undefined", "'text'", "01", "1.", "+1")),
    *map(Raw, ("1e400", "-1e400", "9" * 5_000)),
    *map(Raw, (r'"\ud800"', r'"a\udfffb"', r'"\ud83d"', r'"\u0000"', r'"a\u0000b"')),
    *map(Raw, ('"\x01"', '"a\nb"', r'"\x41"', r'"\u12"')),
    *(Raw(f"{'[' * depth}{']' * depth}") for depth in (2_000, 100_000)),
    Raw('{"a":' * 50_000 + "1" + "}" * 50_000),
]
NUMBERS = [
    *(0, 1, -1, 1.0, 1.5, 2, 9_999, 10_000, -(2**31), 2**31, 2**63, 2**64, 10**30, 10**400),
    *map(Raw, ("-0", "-0.0", "1e2", "1E+2", "1e-400", "0.1" + "0" * 3_000 + "1", "1e5000000")),
    *("0", "-1", "1e2", "1E400", "NaN", "Infinity", "-Infinity", "sNaN", "0x10", "1_000", " 1 "),
    *("+1", "--1", "1,5", "٣", "１２", "0.00001", "99999999999.9999", "1" * 30, "1\n", "1\u200b"),
    *("1.", ".5", "12.345", "00012.50", "1e-400", "1\u00a0"),
]
TEXTS = [
    *("", " ", "\t", "\n", "null", "0", "a\nb", "a\r\nBcc: x@example.com", "\u00a0", "\u3000"),
    *("\u202egnp.exe", "\u2066a\u2069", "\u200b", "a\u200bb", "\ufeff", "\ufffe", "\uffff"),
    *("\U0010ffff", "\U000e0041", "é", "e\u0301", "ﬁ", "İ", "ß", "👩‍👩‍👧‍👦", "a" + "\u0301" * 500),
    *("\x7f", "\x80", "\x85", "\u2028", "\u2029", "\ue000", "\u0600", "𝟏", "Ω", "x" * 64),
    *("x" * 65, "x" * 255, "x" * 256, "x" * 10_000, "é" * 300_000, "x" * 900_000),
    *("'; DROP TABLE orders_order;--", "../../etc/passwd", "%00", "%s%n", "{0}", "{{7*7}}"),
    *("${jndi:ldap://x}", "<script>alert(1)</script>", "=1+1", "\\", '"', "`id`", "$(id)"),
    *("javascript:alert(1)", "http://[::1", "http://", "//x", "file:///etc/passwd", "http://a b"),
    *("http://example.com/\u202e", "https://x.test/" + "a" * 3_000, "http://\u0000x"),
    *("a@b", "a@b@c", "a@example.com\n", '"a b"@example.com', "é@example.com", "a@xn--", "@"),
    *("us", "US\n", "USD ", "usd", "XXX", "XTS", "BTC", "JPY", "KWD"),
    *("__proto__", "constructor", "__class__", "id", "true", "false", "[]", "{}"),
]
MOMENTS = [
    *("2025-11-25", "2025-02-30T00:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00Z"),
    *("0001-01-01T00:00:00+23:59", "0000-01-01T00:00:00Z", "2025-11-25T24:00:00Z", "10000-01-01"),
    *("2025-11-25T08:20:60Z", "2025-11-25T08:20:00+99:99", "2025-11-25T08:20:00", "now", "-1"),
    *("2025-W01-1", "20251125", "٢٠٢٥-11-25", "1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z"),
    *("2025-11-25T08:20:00.123456789Z", "infinity", "-infinity", "epoch", "today", "24:00"),
]
OTHER_TYPES: list[Any] = [
    *(
        None,
        True,
        False,
        [],
        {},
        [[]],
        [None],
        {"": ""},
        {"a": {"b": [1]}},
        [1, 2],
        ["x"],
        {"id": 1},
    ),
    Raw("[" * 40 + "]" * 40),
    Raw('{"a":' * 40 + "1" + "}" * 40),
]
VALUES: list[Any] = [*NUMBERS, *TEXTS, *MOMENTS, *OTHER_TYPES]
KEYS = [
    *("x", "", " ", "ID", "id", "pk", "organization_id", "status", "total", "actor", "__proto__"),
    *("\u202eid", "id\u200b", "é", "x" * 10_000, "a.b", "items[0]", "\x7f", "non_field_errors"),
]
IDS = [
    *("x", "%00", "%2e%2e", "..", "%2F", "..%2f..%2fhealth", "%ff", "%C0%AF", "%ED%A0%80", "%0a"),
    *("%E2%80%AE", "%u0041", "x" * 64, "x" * 65, "x" * 3_000, ";x=1", "*", "0", "-1", "null"),
    *("%25", "%", "%zz", "\xff", "\xc3\xa9", "a%20b", "+", "'", "%27%20OR%201=1--", "order_", "~"),
    *("%0d%0aX-Evil:1", "%09", "%7f", "%C2%80", "[]", "{}", "|", "^", "\\", "<", '"', "a:b", "@"),
]
QUERIES = [  # whole ones
    *("?", "??", "?&", "?=", "?x", "?%00", "?%ff=1", "?=1", "?x=1&x=2", "?x[]=1", "?a[b]=c", "?;"),
    *(
        "?page_size=%00",
        "?" + "a=1&" * 1_001,
        "?" + "x" * 3_000,
        "?\xff",
        "?é".encode().decode("latin-1"),
    ),
    *("?ordering=-id", "?format=api", "?format=xml", "?expand=all", "?_method=DELETE", "?page=2"),
]
CURSORS = [
    *(
        "x",
        "=",
        "%00",
        "cD0=",
        "cD14",
        "bz0x",
        "bz0tMQ==",
        "cj0x",
        "cj0xJnA9",
        "____",
        "é",
        "x" * 3_000,
    ),
    *(
        base64.b64encode(text.encode()).decode()
        for text in (
            "p=\0",
            "o=999999999999",
            "o=1001&p=x",
            "r=1&p=" + "z" * 64,
            "p=\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
            "p=' OR 1=1--",
            "o=-5",
            "o=x",
            "r=x",
        )
    ),
]
PARAMETERS = [
    *(
        "0",
        "-1",
        "1",
        "101",
        "1e3",
        "NaN",
        "9" * 30,
        str(2**63),
        str(2**63 - 1),
        "1.5",
        "+1",
        "%D9%A3",
    ),
    *(
        "x",
        "%00",
        "%ff",
        "%C0%80",
        "%ED%A0%80",
        "%20",
        "+",
        "x" * 65,
        "x" * 3_000,
        "%E2%80%AE",
        "true",
    ),
    *(
        "True",
        "1,2",
        "null",
        "%27",
        "a%26b",
        "items",
        "lines",
        "placed",
        "2025-11-25",
        "%0a",
        "%F0%9F%92%A9",
    ),
    *(each.replace("+", "%2B").replace("٢٠٢٥", "%D9%A2%D9%A0%D9%A2%D9%A5") for each in MOMENTS),
]
CHARSETS = [
    *("utf-16", "utf-32", "utf-7", "latin-1", "ascii", "cp037", "utf-8-sig", "idna", "punycode"),
    *("hex", "base64", "zip", "bz2", "rot13", "uu", "quopri", "undefined", "unicode_escape"),
    *(
        "raw_unicode_escape",
        "mbcs",
        "charmap",
        "nonsense",
        "",
        '"',
        "\xff",
        "x" * 3_000,
        "utf-8;utf-16",
    ),
    *("utf_16_be", "cp65001", "../../x", "utf-8\x85", "*", "%00"),
]
TYPES = [
    *("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/html"),
    *("multipart/form-data; boundary=x", "multipart/form-data; boundary=\xff", "application/xml"),
    *("application/json, text/plain", "application/JSON", "application/*", "*/*", "/", "json", ";"),
    *("application/json;", "application/json; q=0", "application/problem+json", "\xff", "a/b/c"),
    *("application/vnd.api+json", "application/json; boundary=x", "application/json-patch+json"),
]
HEADERS = [
    (
        "Idempotency-Key",
        ["", " ", "x" * 255, "x" * 256, "x" * 3_000, "\xe9", "a b", "a\tb", "\x7f", "'", "null"],
    ),
    ("X-Request-ID", ["", "x" * 65, "a b", "\xff", "<b>", "%0d%0a", "../x", "x" * 3_000]),
    (
        "traceparent",
        [
            "",
            "00-x",
            "00-" + "0" * 32 + "-" + "0" * 16 + "-01",
            "ff-" + "1" * 32 + "-" + "1" * 16 + "-01",
            "\xff",
        ],
    ),
    (
        "Accept",
        [
            "",
            "text/html",
            "*/*;q=0",
            "application/json;version=9",
            ",",
            ";",
            "\xff",
            "x" * 3_000,
            "application/*;q=x",
            "application/pdf",
            "a/b/c",
            "*",
        ],
    ),
    ("Accept-Language", ["xx-XX", "*", ";q=", "en;q=2", "../../x", "\xff", "de-" + "x" * 3_000]),
    ("Accept-Encoding", ["gzip;q=0,*;q=0", "br", "\xff", "identity;q=0"]),
    ("Accept-Charset", ["utf-16", "\xff"]),
    ("Content-Encoding", ["gzip", "deflate", "br", "identity", "gzip, gzip", "\xff"]),
    (
        "Host",
        [
            "",
            "evil.example",
            "localhost:99999",
            "localhost@evil",
            "[::1",
            "..",
            "\xff",
            "a/b",
            "x" * 3_000,
        ],
    ),
    ("X-Forwarded-For", ["127.0.0.1", "x", "::1%eth0", "\xff", "1" * 3_000, "10.0.0.1, 10.0.0.2"]),
    ("X-Forwarded-Host", ["evil.example"]),
    ("X-Forwarded-Proto", ["https", "javascript"]),
    ("X-Forwarded-Port", ["x", "0"]),
    ("Forwarded", ["for=127.0.0.1;host=evil", "\xff"]),
    ("X-Real-IP", ["x", "127.0.0.1"]),
    ("X-HTTP-Method-Override", ["DELETE", "TRACE"]),
    ("X-Original-URL", ["/admin/"]),
    ("If-Match", ["*", '"x"', "x", '"', "\xff"]),
    ("If-None-Match", ["*", '"x"', "W/", "\xff"]),
    ("If-Modified-Since", ["x", "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 99999 00:00:00 GMT"]),
    ("If-Unmodified-Since", ["x", "Thu, 01 Jan 1970 00:00:00 GMT"]),
    ("Range", ["bytes=0-1", "bytes=-", "bytes=99999999999-", "x=1", "bytes=0-0,1-1" * 100]),
    ("Origin", ["null", "https://evil.example", "\xff"]),
    ("Referer", ["\xff", "javascript:x"]),
    (
        "Cookie",
        [
            "sessionid=x",
            "sessionid=" + "x" * 3_000,
            "csrftoken=\xff",
            "=;;=",
            "a=b; a=c",
            'sessionid="\\000"',
        ],
    ),
    ("Access-Control-Request-Method", ["DELETE", "\xff"]),
    ("Content-Type", TYPES),
    ("Upgrade", ["h2c", "websocket"]),
    ("Connection", ["close", "upgrade", "keep-alive, Authorization", "x"]),
    ("Keep-Alive", ["timeout=99999999"]),
    ("TE", ["trailers", "chunked"]),
    ("Max-Forwards", ["0", "-1"]),
    ("Via", ["1.1 x"]),
    ("Warning", ["\xff"]),
    ("Date", ["x"]),
    ("From", ["\xff"]),
    ("User-Agent", ["", "x" * 3_000, "\xff", "() { :; }; id"]),
    (
        "Stripe-Signature",
        ["", "t=1,v1=x", "t=x", "t=" + "9" * 400 + ",v1=x", "\xff", "v1=,t=", "t=-1,v1=\xe9"],
    ),
    ("X-Hmac-Signature", ["", "hmac-sha256-hex=", "\xff", "hmac-sha256-hex=\xe9"]),
]
TOKENS = [
    *("", "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Bearer \xff", "Basic eDp4", "Token x"),
    *("Bearer " + "x" * 3_000, "Bearer null", "Bearer ..", "bearer é".encode().decode("latin-1")),
    "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
    "Bearer eyJhbGciOlsxXX0.e30.x",
    "Bearer e30.e30.e30",
    "Bearer bnVsbA.bnVsbA.bnVsbA",
    "Bearer eyJhbGciOiJIUzI1NiIsImNyaXQiOlsieCJdfQ.e30.x",
    "Digest username=x",
]
METHODS = [
    *("TRACE", "OPTIONS", "PUT", "HEAD", "CONNECT", "FOO", "get", "post", "PROPFIND", "PATCH"),
    *("DELETE", "GET", "POST", "SEARCH", "X" * 20, "QUERY", "LINK"),
]


def dump(value: Any) -> str:
    """Return a tree as JSON that may contain `Raw`."""
    match value:
        case Raw():
            return value.text
        case dict():
            members = [f"{json.dumps(key)}: {dump(each)}" for key, each in value.items()]
            return "{" + ", ".join(members) + "}"
        case list():
            return f"[{', '.join(map(dump, value))}]"
        case float() | int() if not isinstance(value, bool):
            return str(value)
    return json.dumps(value, ensure_ascii=False)


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value in a tree, without the tree itself."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(children):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def put(tree: Any, path: tuple[Any, ...], value: Any) -> None:
    at(tree, path[:-1])[path[-1]] = value


def some_value(dice: Random, current: Any) -> Any:
    """Return a hostile value: half of the time one that looks like the current one."""
    is_number = isinstance(current, int) or str(current).replace(".", "").isdecimal()
    alike = NUMBERS if is_number else MOMENTS if str(current)[:2] == "20" else TEXTS
    return dice.choice(alike if dice.random() < 0.5 else VALUES)
