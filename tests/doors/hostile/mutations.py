"""Turn a valid request into a hostile one."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.doors.hostile import values
from tests.doors.hostile.targets import Valid, sign
from tests.doors.hostile.values import Raw, at, dump, places, put
from tests.doors.hostile.wire import Request, chunked


@dataclass(frozen=True)
class Attack:
    """Requests that are sent at once, mostly one.

    `may_succeed` says whether the service may execute them, `is_http` whether they are HTTP, so
    that it responds. With `is_one_key`, one of them may be executed. `body` is what was sent as
    JSON, if it was.
    """

    name: str
    valid: Valid
    requests: list[Request]
    may_succeed: bool = True
    is_http: bool = True
    is_stalled: bool = False
    is_one_key: bool = False
    body: Any = None


@dataclass(frozen=True)
class Tokens:
    """Of the organization that has the rows, and of another one."""

    own: str
    foreign: str


Mutation = Callable[[Random, Valid, Tokens], Attack | None]


def built(name: str, valid: Valid, tokens: Tokens, **outcome: Any) -> Attack:
    """Return an attack whose body is JSON."""
    content = None if valid.body is None else dump(valid.body).encode("utf-8", "surrogatepass")
    sent = valid.request(tokens.own, content)
    sign(sent, valid.webhook)
    return Attack(name, valid, [sent], body=valid.body, **outcome)


def replace_value(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    paths = list(places(valid.body or {}))
    if not paths:
        return None
    path = dice.choice(paths)
    value = values.some_value(dice, at(valid.body, path))
    put(valid.body, path, value)
    return built(f"{path} is {_short(value)}", valid, tokens)


def send_impossible_json(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    """No webhook: what is of no interest to us is not refused."""
    paths = list(places(valid.body or {}))
    value = dice.choice(values.IMPOSSIBLE)
    if paths:
        put(valid.body, dice.choice(paths), value)
    elif valid.body is not None:
        valid.body = {dice.choice(["note", "x"]): value}
    else:
        return None
    return built(f"a value is {_short(value)}", valid, tokens, may_succeed=bool(valid.webhook))


def add_unknown_field(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    objects = [(), *places(valid.body)] if isinstance(valid.body, dict) else []
    objects = [each for each in objects if isinstance(at(valid.body, each), dict)]
    if not objects:
        return None
    key = dice.choice(values.KEYS)
    found = at(valid.body, dice.choice(objects))
    if key in found:
        return None
    found[key] = dice.choice(values.VALUES)
    # `actor` is a field of every body.
    return built(
        f"the unknown field {_short(key)}",
        valid,
        tokens,
        may_succeed=bool(valid.webhook) or key == "actor",
    )


def remove_field(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    paths = list(places(valid.body or {}))
    if not paths:
        return None
    path = dice.choice(paths)
    del at(valid.body, path[:-1])[path[-1]]
    return built(f"without {path}", valid, tokens)


def repeat_key(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    if not isinstance(valid.body, dict) or not valid.body:
        return None
    key = dice.choice(list(valid.body))
    twin = dump({key: dice.choice([valid.body[key], dice.choice(values.VALUES)])})[1:-1]
    text = dump(valid.body)
    written = f"{{{twin}, {text[1:]}" if dice.random() < 0.5 else f"{text[:-1]}, {twin}}}"
    sent = valid.request(tokens.own, written.encode("utf-8", "surrogatepass"))
    sign(sent, valid.webhook)
    return Attack(f"{key} twice", valid, [sent], may_succeed=bool(valid.webhook))


def repeat_items(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    lists = [p for p in places(valid.body or {}) if isinstance(at(valid.body, p), list)]
    if not lists:
        return None
    path, times = dice.choice(lists), dice.choice([0, 2, 3, 499, 501, 5_000])
    put(valid.body, path, at(valid.body, path) * times)
    return built(f"{path} {times} times", valid, tokens)


def replace_body(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    if valid.body is None:
        valid.body = {}
        return built(
            "a body", valid, tokens, may_succeed=not valid.is_protected or valid.method == "DELETE"
        )
    valid.body = dice.choice([[valid.body], *values.VALUES, *values.IMPOSSIBLE])
    if valid.body is None:  # which would send no body
        valid.body = Raw("null")
    return built(f"the body {_short(valid.body)}", valid, tokens, may_succeed=valid.body == {})


def _short(value: Any) -> str:
    text = value.text if isinstance(value, Raw) else repr(value)
    return text if len(text) < 60 else f"{text[:50]}… ({len(text)} characters)"


def encode_otherwise(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    """Send bytes that are not the JSON that the header promises."""
    if valid.body is None:
        return None
    text = dump(valid.body)
    body = text.encode()
    name, content = dice.choice(
        [
            ("UTF-16", text.encode("utf-16")),
            ("UTF-32", text.encode("utf-32")),
            ("a BOM", b"\xef\xbb\xbf" + body),
            ("overlong UTF-8", _into(body, b"\xc0\xaf")),
            ("a surrogate as UTF-8", _into(body, b"\xed\xa0\x80")),
            ("no UTF-8", _into(body, b"\xff")),
            ("UTF-8 cut off", _into(body, b"\xe2\x80")),
            ("half of it", body[: len(body) // 2]),
            ("more after it", body + dice.choice([b"x", b"{}", b"]", b"\0", b",", b"\xff"])),
            ("gzip", gzip.compress(body, mtime=0)),
            ("a comment", b"/* x */" + body),
            ("a trailing comma", body[:-1] + b",}"),
            ("single quotes", body.replace(b'"', b"'")),
            ("nothing", b""),
            ("spaces", b" " * dice.choice([1, 100_000]) + body),
            ("bytes", dice.randbytes(dice.choice([1, 10, 1_000]))),
            ("NUL", b"\0" * dice.choice([1, 100])),
            ("2 MB", b" " * 2_000_000 + body),
        ]
    )
    sent = valid.request(tokens.own, content)
    if name == "gzip" and dice.random() < 0.5:
        sent.replace("Content-Encoding", "gzip")
    sign(sent, valid.webhook)
    # Without a body, the fields have their defaults.
    is_same = name in ("spaces", "nothing") or (name == "single quotes" and b'"' not in body)
    return Attack(name, valid, [sent], may_succeed=is_same or bool(valid.webhook))


def _into(body: bytes, evil: bytes) -> bytes:
    """Insert bytes into the first text, or between the brackets."""
    return body.replace(b'"', b'"' + evil, 1) if b'"' in body else body[:1] + evil + body[1:]


def name_another_charset(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    charset = dice.choice(values.CHARSETS)
    content = None
    if valid.body is not None:
        content = dump(valid.body).encode()
    sent = valid.request(tokens.own, content)
    sent.replace("Content-Type", f"application/json; charset={charset}")
    if content is None and valid.method == "GET" and dice.random() < 0.7:
        sent.target += f"?{dice.choice(valid.parameters or ['x'])}={dice.choice(['x', '%ff', '1'])}"
    sign(sent, valid.webhook)
    return Attack(f"charset {_short(charset)}", valid, [sent])


def change_header(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    sent = _plain(valid, tokens)
    name, among = dice.choice(values.HEADERS)
    value = dice.choice(among)
    if dice.random() < 0.2:
        sent.headers.append((name, value))  # a second one
    else:
        sent.replace(name, value)
    return Attack(f"{name}: {_short(value)}", valid, [sent])


def change_token(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    if valid.webhook:
        return None
    sent = _plain(valid, tokens)
    value = dice.choice([None, f"Bearer {tokens.foreign}", f"Bearer {tokens.own}x", *values.TOKENS])
    is_foreign = value == f"Bearer {tokens.foreign}"
    sent.replace("Authorization", value)
    name = "the token of another organization" if is_foreign else f"the token {_short(value)}"
    needs_none = not valid.is_protected or (is_foreign and not valid.has_row)
    return Attack(name, valid, [sent], may_succeed=needs_none)


def change_path(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    sent = _plain(valid, tokens)
    parts, evil = sent.target.split("/"), dice.choice(values.IDS)
    match dice.choice(["part", "part", "suffix", "double", "dots", "absolute", "case"]):
        case "part":
            parts[dice.randrange(3, len(parts)) if len(parts) > 3 else -1] = evil
        case "suffix":
            parts[-1] += dice.choice(
                ["/", "//", "/x", ".json", "%20", "%00", ";x", "%0a", "/.", "\xff"]
            )
        case "double":
            parts.insert(dice.randrange(1, len(parts)), dice.choice(["", ".", "%2e", "\\"]))
        case "dots":
            parts[3:3] = ["x", ".."]
        case "absolute":
            parts[0] = dice.choice(["http://localhost", "http://evil.example", "http:", "*"])
        case "case":
            parts[-1] = parts[-1].swapcase()
    sent.target = "/".join(parts)
    return Attack(f"the path {_short(sent.target)}", valid, [sent])


def add_query(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    sent = _plain(valid, tokens)
    if not valid.parameters or dice.random() < 0.2:
        sent.target += dice.choice(values.QUERIES)
    else:
        names = [dice.choice(valid.parameters) for _ in range(dice.choice([1, 1, 1, 2, 5]))]
        pairs = [
            f"{name}={dice.choice(values.CURSORS if name == 'cursor' else values.PARAMETERS)}"
            for name in names
        ]
        sent.target += "?" + "&".join(pairs)
    return Attack(f"the query {_short(sent.target)}", valid, [sent])


def change_method(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    sent = _plain(valid, tokens)
    sent.method = dice.choice(values.METHODS)
    # gunicorn knows upper-case methods only, and CONNECT only with a host.
    is_http = sent.method.isupper() and sent.method != "CONNECT"
    return Attack(f"the method {sent.method}", valid, [sent], is_http=is_http)


def break_http(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    """Send what is not HTTP, or only some of what was announced."""
    sent = _plain(valid, tokens)
    body = sent.body if sent.body is not None else b"{}"
    sent.body, n = body, len(body)
    lengths = [
        f"-{n}",
        f"+{n}",
        f"0x{n:x}",
        f"{n}, {n}",
        f"{n} {n}",
        "x",
        "",
        "9" * 400,
        f"{n}\x0b",
    ]
    kinds: dict[str, Callable[[], None]] = {
        "Content-Length: ": lambda: sent.replace("Content-Length", dice.choice(lengths)),
        "two lengths": lambda: sent.headers.extend(
            [("Content-Length", str(n)), ("Content-Length", str(dice.choice([0, n, n + 1])))]
        ),
        "length and chunks": lambda: _chunk(sent, chunked(body), length=dice.choice([0, n, n + 5])),
        "a longer length": lambda: _cut(sent, n + dice.choice([1, 100, 10_000])),
        "a shorter length": lambda: _cut(sent, max(n - dice.choice([1, 2, 5]), 0), cut_off=False),
        "not in chunks": lambda: _chunk(sent, body, cut_off=True),
        "chunks cut off": lambda: _chunk(
            sent, chunked(body)[: -dice.choice([1, 3, 5, 7])], cut_off=True
        ),
        "a chunk with a lie": lambda: _chunk(
            sent,
            b"%x\r\n%s\r\n0\r\n\r\n" % (n + dice.choice([-1, 1, 50]) & 0xFFFF, body),
            cut_off=True,
        ),
        "a chunk of a strange length": lambda: _chunk(
            sent,
            dice.choice(
                [b"-1", b"+2", b"0x2", b"f" * 40, b"", b" 2", b"2 ", b"2;", b"\xff", b"2_0"]
            )
            + b"\r\n%s\r\n0\r\n\r\n" % body,
            cut_off=True,
        ),
        "chunks with trailers": lambda: _chunk(
            sent, chunked(body)[:-2] + b"Authorization: Bearer x\r\nContent-Length: 3\r\n\r\n"
        ),
        "chunks with long extensions": lambda: _chunk(sent, chunked(body, 3, b";x=" + b"y" * 500)),
        "chunks that end with LF": lambda: _chunk(
            sent, chunked(body).replace(b"\r\n", b"\n"), cut_off=True
        ),
        "another coding": lambda: _chunk(
            sent,
            chunked(body),
            coding=dice.choice(
                [
                    *(
                        "xchunked",
                        "chunked, identity",
                        "identity",
                        "gzip, chunked",
                        "chunked\x0b",
                        "",
                    ),
                    *("chunked, chunked", "Chunked", '"chunked"', "chunked;q=1", "deflate"),
                ]
            ),
        ),
        "two codings": lambda: sent.headers.extend(
            [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "identity")]
        ),
        "lines that end with LF": lambda: _set(sent, end="\n"),
        "lines that end with CR": lambda: _set(sent, end="\r", is_cut_off=True),
        "a folded header": lambda: sent.headers.append(("X-A", "a\r\n b")),
        "a header without colon": lambda: sent.headers.append(("", "X-A")),
        "a space before the colon": lambda: sent.headers.append(("Content-Length ", "1")),
        "a strange name": lambda: sent.headers.append(
            (dice.choice(["X A", "\xff", "X-\0", "X_Forwarded_For", ":x", "X\tA", "(x)", "{"]), "a")
        ),
        "a control character": lambda: sent.headers.append(
            ("X-A", dice.choice(["\0", "\x01", "a\rb", "a\nb", "\x7f", "\x80"]))
        ),
        "a long header": lambda: sent.headers.append(("X-A", "a" * dice.choice([9_000, 70_000]))),
        "many headers": lambda: sent.headers.extend([("X-A", "a")] * dice.choice([90, 101, 1_000])),
        "a long target": lambda: _set(sent, target=f"{sent.target}?{'a' * 9_000}"),
        "another protocol": lambda: _set(
            sent,
            head=f"{sent.method} {sent.target} "
            + dice.choice(
                ["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.9", "HTTP/3", "X/1.1", "HTTP/1.1 "]
            ),
        ),
        "another first line": lambda: _set(
            sent,
            head=dice.choice(
                [
                    *(sent.method, f"{sent.method} {sent.target}", "\0", "\x16\x03\x01", " "),
                    f"{sent.method}  {sent.target} HTTP/1.1",
                    f"{sent.method}\t{sent.target}\tHTTP/1.1",
                    f"\r\n{sent.method} {sent.target} HTTP/1.1",
                    *(f"{sent.method} * HTTP/1.1", f"{sent.method} x y HTTP/1.1", "PRI * HTTP/2.0"),
                ]
            ),
            is_cut_off=True,
        ),
        "Expect": lambda: sent.replace(
            "Expect", dice.choice(["100-continue", "x", "100-Continue", "\xff"])
        ),
        "two hosts": lambda: sent.headers.append(("Host", "evil.example")),
        "no host": lambda: sent.replace("Host", None),
        "no end": lambda: _set(
            sent, head=f"{sent.method} {sent.target}", body=None, is_cut_off=True
        ),
    }
    name = dice.choice(list(kinds))
    kinds[name]()
    return Attack(name, valid, [sent], is_http=False)


def _set(sent: Request, **changes: Any) -> None:
    for name, value in changes.items():
        setattr(sent, name, value)


def _chunk(
    sent: Request,
    body: bytes,
    *,
    coding: str = "chunked",
    length: int | None = None,
    cut_off: bool = False,
) -> None:
    sent.replace("Transfer-Encoding", coding)
    if length is not None:
        sent.replace("Content-Length", str(length))
    sent.body, sent.is_cut_off = body, cut_off


def _cut(sent: Request, length: int, *, cut_off: bool = True) -> None:
    sent.replace("Content-Length", str(length))
    sent.is_cut_off = cut_off


def send_chunks(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    """Send a valid request in chunks."""
    if valid.body is None:
        return None
    attack = built("chunks", valid, tokens)
    (sent,) = attack.requests
    _chunk(
        sent,
        chunked(sent.body or b"", dice.choice([1, 7, 4096]), dice.choice([b"", b";x", b";x=y"])),
    )
    return attack


def stall(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    """Send a part, and keep the connection open."""
    sent = _plain(valid, tokens)
    if dice.random() < 0.5:
        sent.replace("Content-Length", str(len(sent.body or b"") + 10))
    else:
        _chunk(sent, b"2\r\n{}\r\n")
    return Attack("a slow body", valid, [sent], may_succeed=False, is_http=False, is_stalled=True)


def send_at_once(dice: Random, valid: Valid, tokens: Tokens) -> Attack | None:
    """Send a command several times at once: with one key and different bodies, or the same."""
    if valid.method == "GET":
        return None
    number, with_key = dice.choice([2, 3]), _has_key(valid) and dice.random() < 0.8
    sent = [_plain(valid, tokens) for _ in range(number)]
    key = f"{dice.getrandbits(64):x}"
    is_other = with_key and isinstance(valid.body, dict) and dice.random() < 0.6
    for n, each in enumerate(sent):
        if with_key:
            each.replace("Idempotency-Key", key)
        if is_other and n:
            paths = list(places(valid.body))
            other = valid.copy()
            if paths:
                path = dice.choice(paths)
                put(other.body, path, values.some_value(dice, at(other.body, path)))
            else:
                other.body = {"actor": f"picker_{n}"}
            each.body = dump(other.body).encode("utf-8", "surrogatepass")
    name = "other bodies" if is_other else "the same"
    name = f"{number} at once, {name}, {'one key' if with_key else 'no key'}"
    return Attack(name, valid, sent, is_one_key=with_key)


def _has_key(valid: Valid) -> bool:
    return valid.method == "POST" and not valid.webhook


def _plain(valid: Valid, tokens: Tokens) -> Request:
    (sent,) = built("", valid, tokens).requests
    return sent


MUTATIONS: list[tuple[Mutation, int]] = [  # and how often each is taken
    (replace_value, 30),
    (send_impossible_json, 8),
    (add_unknown_field, 5),
    (remove_field, 3),
    (repeat_key, 4),
    (repeat_items, 3),
    (replace_body, 5),
    (encode_otherwise, 8),
    (name_another_charset, 4),
    (change_header, 14),
    (change_token, 5),
    (change_path, 8),
    (add_query, 12),
    (change_method, 5),
    (break_http, 12),
    (send_chunks, 2),
    (stall, 1),
    (send_at_once, 4),
]


def mutate(dice: Random, valid: Valid, tokens: Tokens) -> Attack:
    """Return a hostile request, made from a valid one."""
    weights = [weight for _, weight in MUTATIONS]
    while True:
        ((mutation, _),) = dice.choices(MUTATIONS, weights)
        if attack := mutation(dice, valid.copy(), tokens):
            return attack
