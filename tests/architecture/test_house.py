"""What the house asks of every file and every context."""

import subprocess
from pathlib import Path

from django.conf import settings

from events import schema

ROOT = Path(settings.BASE_DIR)
LONGEST = 300  # lines
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


def test_no_file_is_longer_than_300_lines():
    written = [
        path
        for path in ours()
        if path.name != "package-lock.json"  # npm writes that one
        and path.suffix != ".ttf"
    ]
    lengths = {path: len(path.read_text().splitlines()) for path in written}
    assert lengths, "nothing was found to look at"
    assert {str(path): n for path, n in lengths.items() if n > LONGEST} == {}


def test_a_context_declares_its_own_facts_only():
    """`orders` declares `order.…` and what is told of its parts, and nobody else does."""
    foreign = {}
    for name, cls in schema.registry.items():
        context, what = cls.__module__.partition(".")[0], name.partition(".")[0]
        if context != PARTS.get(what) and context.removesuffix("s") != what:
            foreign[name] = context
    assert foreign == {}
