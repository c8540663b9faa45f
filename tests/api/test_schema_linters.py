"""The OpenAPI document passes the recommended rules of Redocly and of Spectral."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

LINTERS = Path(__file__).parent / "linters"


@pytest.fixture
def document(settings, tmp_path):
    settings.PUBLIC_URL = "https://orders.example.net"  # Redocly warns of localhost
    path = tmp_path / "openapi.json"
    call_command("spectacular", format="openapi-json", file=path)
    return path


def lint(*command):
    """Run a linter, and return its report."""
    node, (name, *arguments) = Path(sys.executable).with_name("node"), command
    run = subprocess.run(
        [node, LINTERS / "node_modules/.bin" / name, "lint", *arguments],
        cwd=LINTERS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout, f"{run.stderr}\n(`make test` installs the linters)"
    return json.loads(run.stdout)


def test_redocly_finds_no_problem(document):
    report = lint("redocly", document, "--format=json")
    assert [(row["ruleId"], row["message"], row["location"]) for row in report["problems"]] == []


def test_spectral_finds_no_problem(document):
    report = lint("spectral", document, "--format=json", "--quiet")
    assert [(row["code"], row["message"], row["path"]) for row in report] == []
