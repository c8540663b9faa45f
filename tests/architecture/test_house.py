"""Rules for every file and every context."""

import ast
import importlib
import io
import pkgutil
import re
import subprocess
import tokenize
from collections import defaultdict
from pathlib import Path

from django.conf import settings

from events import schema
from events.aggregate import aggregates

# In halves, so that this file does not contain the words.
HALVES = ("some body", "no body", "who ever", "any body", "of  which", "hear say")
BANNED = re.compile(
    rf"\b({'|'.join(half.replace(' ', '', 1) for half in HALVES)})\b", re.IGNORECASE
)
ROOT = Path(settings.BASE_DIR)
PACKAGES = ("config", "events", *sorted({model._meta.app_label for model in aggregates()}))
NOT_IMPORTED = ("config.gunicorn", "config.wsgi")  # they set up processes
MAX_LINES = 500  # of code in a file
PARTS = {  # with events of their own
    "credit_note": "invoices",
    "customer": "events",
    "refund": "payments",
}
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}


def files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def lines_of_code(source: str) -> int:
    """Count the lines without blank lines, comments and docstrings."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in LAYOUT | {tokenize.ENDMARKER}:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str()), lineno=first, end_lineno=last):
                lines.difference_update(range(first, (last or first) + 1))
    return len(lines)


def test_lines_of_code_leave_out_blank_lines_comments_and_docstrings():
    source = '"""Docstring.\n\nOf a module.\n"""\n\n# A comment.\nx = (\n    1,\n)\n'
    assert lines_of_code(source) == 3


def test_python_files_have_at_most_500_lines_of_code():
    lengths = {str(p): lines_of_code(p.read_text()) for p in files() if p.suffix == ".py"}
    assert lengths, "no files were found"
    assert {path: n for path, n in lengths.items() if n > MAX_LINES} == {}


def test_a_context_declares_only_events_of_its_own():
    """`orders` declares `order.…` and the events of its parts, and no other context does."""
    foreign = {}
    for name, cls in schema.registry.items():
        context, entity = cls.__module__.partition(".")[0], name.partition(".")[0]
        if context != PARTS.get(entity) and context.removesuffix("s") != entity:
            foreign[name] = context
    assert foreign == {}


def exceptions() -> dict[str, set[str]]:
    """Return the names of the project's exceptions, each with the modules that define one."""
    defined = defaultdict[str, set[str]](set)
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        for module in pkgutil.walk_packages(path, f"{package}."):
            if module.name in NOT_IMPORTED or ".migrations." in module.name:
                continue
            for value in vars(importlib.import_module(module.name)).values():
                is_exception = isinstance(value, type) and issubclass(value, Exception)
                if is_exception and value.__module__.partition(".")[0] in PACKAGES:
                    defined[value.__name__].add(value.__module__)
    return defined


def test_no_two_exceptions_share_a_name_or_have_the_name_of_an_event():
    defined = exceptions()
    assert defined, "no exceptions were found"
    assert {name: modules for name, modules in defined.items() if len(modules) > 1} == {}
    assert defined.keys() & {cls.__name__ for cls in schema.registry.values()} == set()


def test_the_prose_names_its_actors():
    prose = [path for path in files() if path.suffix in (".py", ".md", ".html")]
    found = {
        f"{path.relative_to(ROOT)}:{number}": line.strip()
        for path in prose
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if BANNED.search(line)
    }
    assert found == {}
