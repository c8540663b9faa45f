"""What the house asks of every file and every context."""

import subprocess
from pathlib import Path

from django.conf import settings

from events import schema

ROOT = Path(settings.BASE_DIR)
MAX_LINES = 500  # of code in a file
PARTS = {"credit_note": "invoices", "refund": "payments"}  # that have facts of their own


def ours() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def lines_of_code(path: Path) -> int:
    """Count the lines that are neither blank nor a comment."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return sum(bool(line) and not line.startswith("#") for line in lines)


def test_python_files_have_at_most_500_lines_of_code():
    lengths = {str(path): lines_of_code(path) for path in ours() if path.suffix == ".py"}
    assert lengths, "no files were found"
    assert {path: n for path, n in lengths.items() if n > MAX_LINES} == {}


def test_a_context_declares_its_own_facts_only():
    """`orders` declares `order.…` and what is told of its parts, and nobody else does."""
    foreign = {}
    for name, cls in schema.registry.items():
        context, what = cls.__module__.partition(".")[0], name.partition(".")[0]
        if context != PARTS.get(what) and context.removesuffix("s") != what:
            foreign[name] = context
    assert foreign == {}
