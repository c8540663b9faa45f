"""What the house asks of every file and every context."""

import subprocess
from pathlib import Path

from django.conf import settings

from events import schema

ROOT = Path(settings.BASE_DIR)
LONGEST = 300  # lines


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
    written = [path for path in ours() if path.name != "package-lock.json"]  # npm writes that one
    lengths = {path: len(path.read_text().splitlines()) for path in written}
    assert lengths, "nothing was found to look at"
    assert {str(path): n for path, n in lengths.items() if n > LONGEST} == {}


def test_a_context_declares_its_own_facts_only():
    """`orders` declares `order.…`, and nobody else does; of a part, whose it is."""
    parts = {"refund": "payments", "credit_note": "invoices"}
    contexts = {name: cls.__module__.partition(".")[0] for name, cls in schema.registry.items()}
    foreign = {
        name: context
        for name, context in contexts.items()
        if name.partition(".")[0] != context.removesuffix("s")
        and parts.get(name.partition(".")[0]) != context
    }
    assert foreign == {}
