"""Which metrics the dashboard and the alerts ask for, and which a process tells."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from prometheus_client.parser import text_string_to_metric_families

FOLDER = Path(settings.BASE_DIR) / "docs" / "operations"
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana.json").read_text())

_NO_METRICS = re.compile(r"""\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring)\s*\([^)]*\)""")
_NAME = re.compile(r"\b[a-zA-Z_:][\w:]*\b(?!\s*\()")  # what is called is a function
_OPERATORS = {"and", "or", "unless", "by", "without", "on", "ignoring", "offset"}


def names(expression: str) -> set[str]:
    """Return the metrics of a PromQL expression."""
    return set(_NAME.findall(_NO_METRICS.sub(" ", expression))) - _OPERATORS


def asked() -> set[str]:
    """Return every metric that a panel or an alert is about."""
    expressions = [rule["expr"] for rule in ALERTS]
    expressions += [query["expr"] for panel in DASHBOARD["panels"] for query in panel["targets"]]
    return {name for expression in expressions for name in names(expression)}


def told(answer: bytes) -> set[str]:
    """Return the names of the samples in a process's answer."""
    families = text_string_to_metric_families(answer.decode())
    return {sample.name for family in families for sample in family.samples}
