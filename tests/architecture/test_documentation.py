"""The pages in Markdown agree with the repository: settings, links, paths and commands."""

import ast
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import get_commands

import config

ROOT = Path(settings.BASE_DIR)
TRACKED = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.splitlines()
FOLDERS = {str(parent) for name in TRACKED for parent in Path(name).parents}
PAGES = [name for name in TRACKED if name.endswith(".md")]
FILE_NAME = re.compile(r"\.?\w[\w.-]*\.(?:py|md|toml|ya?ml|txt|sh|json)|Makefile|Dockerfile")


def prose(page: str) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)


def defaults_in_code() -> dict[str, set[Any]]:
    """Return each name that settings.py reads from the environment, with its literal defaults."""
    names: dict[str, set[Any]] = {}
    for node in ast.walk(ast.parse((ROOT / "config/settings.py").read_text())):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="env")),
                args=[ast.Constant(value=name), *_],
                keywords=[*_, ast.keyword(arg="default", value=default)],
            ):
                names.setdefault(name, set())
                try:
                    names[name].add(shown(eval(ast.unparse(default), {"__builtins__": {}})))
                except NameError:  # it depends on another setting, so the page describes it
                    names[name].add(None)
    return names


def shown(value: Any) -> str:
    """Return a default as the page shows it."""
    if value is None or value == []:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def test_the_configuration_page_lists_every_setting_with_its_default():
    row = re.compile(r"^\| `(\w+)` \|(.*?)\| .+ \|$", re.MULTILINE)
    rows = row.findall((ROOT / "docs/configuration.md").read_text())
    in_code = defaults_in_code()
    assert sorted(name for name, _ in rows) == sorted(in_code)
    for name, default in rows:
        if None not in in_code[name]:
            assert default.strip(" `") in in_code[name], name


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_to_a_file_and_a_heading(page):
    for target, anchor in re.findall(r"\]\((?!\w+:)([^)#\s]*)#?([^)\s]*)\)", prose(page)):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in slugs, f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_exists(page):
    """A path starts at the root or beside the page; a bare file name may be in any folder."""
    names = {Path(name).name for name in TRACKED}
    top = {name.partition("/")[0] for name in TRACKED if "/" in name}
    for path in re.findall(r"`([\w.-]+(?:/[\w.-]+)*/?)`", prose(page)):
        if path.partition("/")[0] in top and "/" in path:
            assert (ROOT / path).exists() or path.rstrip("/") in FOLDERS, path
        elif FILE_NAME.fullmatch(path):
            assert path in names or path == ".env", path


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_names_exists(page):
    text = (ROOT / page).read_text()
    assert set(re.findall(r"manage\.py ([a-z]\w*)", text)) <= set(get_commands())
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`make (\w+)", text)) <= set(targets)


def test_the_code_logs_what_the_runbook_searches_for():
    (pattern,) = re.findall(
        r"logs .* web workers \| grep -E '(.+)'", (ROOT / "docs/operations/alerts.md").read_text()
    )
    source = "".join(path.read_text() for path in (ROOT / "events/delivery").glob("*.py"))
    assert [text for text in pattern.split("|") if text not in source] == []


def test_the_changelog_begins_with_the_version_of_the_code():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## \[(\d[^\]]*)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert versions[0] == config.__version__


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
