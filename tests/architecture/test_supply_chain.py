"""The packages of the image and other images are pinned, and a known hole fails the audit."""

import json
import re
from importlib.metadata import requires

import pytest
from django.conf import settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.audit import verdict
from tests.digests import digest_of, pin

LOCK = (settings.BASE_DIR / "requirements.lock").read_text()


def requirements(text: str) -> list[Requirement]:
    lines = (re.sub(r"\s#.*|\\$", "", line).strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def needed() -> dict[str, list[Requirement]]:
    """Return what requirements.txt needs here, directly and indirectly, by the package's name."""
    found: dict[str, list[Requirement]] = {}
    seen: set[tuple[str, str]] = set()
    pending = requirements((settings.BASE_DIR / "requirements.txt").read_text())
    while pending:
        each = pending.pop()
        name = canonicalize_name(each.name)
        found.setdefault(name, []).append(each)
        for part in {(name, extra) for extra in ("", *each.extras)} - seen:
            seen.add(part)
            further = [Requirement(text) for text in requires(name) or ()]
            environment = {"extra": part[1]}
            pending += [_ for _ in further if not _.marker or _.marker.evaluate(environment)]
    return found


def test_the_lock_has_all_packages_of_the_image_and_no_others():
    locked = {canonicalize_name(each.name): each for each in requirements(LOCK)}
    here = {name for name, each in locked.items() if not each.marker or each.marker.evaluate()}
    assert needed().keys() == here, "run `make lock`"
    for name, each in needed().items():
        (pin,) = locked[name].specifier
        assert pin.operator == "=="
        for requirement in each:
            assert requirement.specifier.contains(pin.version, prereleases=True), requirement


def test_each_package_of_the_lock_has_hashes():
    packages = re.split(r"^(?=\w)", LOCK, flags=re.MULTILINE)[1:]
    assert len(packages) == len(requirements(LOCK))
    assert all("--hash=sha256:" in package for package in packages)


def test_the_image_installs_nothing_but_the_lock():
    installs = re.findall(r"pip install.*", (settings.BASE_DIR / "Dockerfile").read_text())
    assert installs == ["pip install --no-cache-dir --require-hashes -r requirements.lock"]


HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["5.2.20"], "aliases": [], "description": "…"}
SKIPPED = {"name": "celery", "skip_reason": "Dependency not found on PyPI"}
DJANGO = {"name": "django", "version": "5.2.19"}
TIMEOUT = "ERROR:pip_audit._cli:Tip: your network may be blocking this service."
NO_ROUTE = "Traceback …\nrequests.exceptions.ConnectionError: pypi.org"


@pytest.mark.parametrize(
    ("packages", "errors", "code", "said"),
    [
        ([DJANGO | {"vulns": [HOLE]}], "", 1, "django 5.2.19: PYSEC-2026-1, fixed in 5.2.20"),
        ([DJANGO | {"vulns": [HOLE]}, SKIPPED], "", 1, "NOT AUDITED: PyPI has no data of celery."),
        ([DJANGO | {"vulns": []}], "", 0, "1 packages audited, 0 holes."),
        ([SKIPPED], "", 0, "NOT AUDITED: PyPI has no data of celery."),
        (None, TIMEOUT, 0, "NOT AUDITED: PyPI does not respond."),
        (None, NO_ROUTE, 0, "NOT AUDITED: PyPI does not respond."),
        (None, "ERROR: requirements.lock is damaged", 1, "requirements.lock is damaged"),
    ],
)
def test_the_audit_fails_on_a_known_hole_and_says_what_it_could_not_ask(
    packages, errors, code, said
):
    report = json.dumps({"dependencies": packages}) if packages else ""
    assert verdict(report, errors)[0] == code
    assert said in verdict(report, errors)[1]


OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """Put a client on the PATH that knows nginx:1.28 and the versions of python."""
    client = tmp_path / "docker"
    client.write_text(f"""#!/bin/sh
        case "$*" in
            "buildx imagetools inspect nginx:1.28" | *@{NEW} | *python*)
                printf "Name:      $4\\nDigest:    {NEW}\\n\\nManifests:\\n  Digest: other\\n" ;;
            *@{OLD}) printf "Name:      $4\\nDigest:    {OLD}\\n" ;;
            *offline*) echo "ERROR: dial tcp: lookup registry: no such host" >&2; exit 1 ;;
            *) echo "ERROR: docker.io/library/$4: not found" >&2; exit 1 ;;
        esac""")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    digest_of.cache_clear()
    (tmp_path / "Dockerfile").write_text("FROM python:3.11-slim AS build\nFROM python:3.11-slim\n")
    return tmp_path


@pytest.mark.parametrize(
    ("image", "upgrade", "code", "written", "said"),
    [
        ("nginx:1.28", False, 0, f"nginx:1.28@{NEW}", "are pinned"),
        (f"nginx:1.28@{OLD}", False, 0, f"nginx:1.28@{OLD}", "are pinned"),
        (f"nginx:1.28@{OLD}", True, 0, f"nginx:1.28@{NEW}", "are pinned"),
        ("nginx:9", False, 1, "nginx:9", "compose.yaml: there is no image nginx:9."),
        ("nginx:1@sha256:c", False, 1, "nginx:1@sha256:c", "no image nginx:1@sha256:c."),
        ("offline:1", False, 0, "offline:1", "NOT PINNED"),
        ("order-service", False, 0, "order-service", "are pinned"),
    ],
)
def test_images_are_pinned_by_digest(registry, image, upgrade, code, written, said):
    compose = registry / "compose.yaml"
    compose.write_text(f"services:\n  nginx:\n    image: {image}\n    restart: always\n")
    assert pin(registry, upgrade)[0] == code
    assert said in pin(registry, upgrade)[1]
    assert compose.read_text().splitlines()[2] == f"    image: {written}"
    assert (registry / "Dockerfile").read_text().count(NEW) == 2


def test_images_stay_as_they_are_without_a_client(registry, monkeypatch):
    monkeypatch.setenv("PATH", "")
    (registry / "compose.yaml").write_text("image: nginx:1.28\n")
    assert pin(registry, False) == (
        0,
        "NOT PINNED: no registry can be asked ([Errno 2] No such file or directory: 'docker').",
    )
    assert "@" not in (registry / "Dockerfile").read_text()
