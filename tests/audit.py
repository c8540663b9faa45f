"""Looks the packages of the image up in PyPI's list of known holes: `make audit`.

Exits with 1 if a package has one. Where PyPI does not respond, it says so and exits with 0, so that
a check without the network passes.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMMAND = (
    ".venv/audit/bin/pip-audit",
    *("--requirement=requirements.lock", "--require-hashes", "--disable-pip"),
    *("--format=json", "--progress-spinner=off"),
)


def verdict(report: str, errors: str) -> tuple[int, str]:
    """Return the exit code and what to say about the output of pip-audit."""
    if not report:
        if not re.search(r"^requests\.exceptions\.|your network may be blocking", errors, re.M):
            return 1, errors
        return 0, "NOT AUDITED: PyPI does not respond. Run `make audit` where it does."
    packages = json.loads(report)["dependencies"]
    holes = [
        f"{package['name']} {package['version']}: {hole['id']}, "
        f"fixed in {', '.join(hole['fix_versions']) or 'no version'}"
        for package in packages
        for hole in package.get("vulns", [])
    ]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    lines = [*holes, f"{len(packages) - len(unknown)} packages audited, {len(holes)} holes."]
    if unknown:
        lines.append(f"NOT AUDITED: PyPI has no data of {', '.join(unknown)}.")
    return int(bool(holes)), "\n".join(lines)


if __name__ == "__main__":
    run = subprocess.run(COMMAND, cwd=ROOT, capture_output=True, text=True)
    code, message = verdict(run.stdout, run.stderr)
    sys.stdout.write(f"{message}\n")
    sys.exit(code)
