"""The metrics that the dashboard and the alerts query, and those that a process exports."""

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

_NOT_METRICS = re.compile(r"""\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring)\s*\([^)]*\)""")
_NAME = re.compile(r"\b[a-zA-Z_:][\w:]*\b(?!\s*\()")  # not functions
_OPERATORS = {"and", "or", "unless", "by", "without", "on", "ignoring", "offset"}


# The headers with which Prometheus reads `/metrics`.
PROMETHEUS = {"Authorization": f"Bearer {settings.METRICS_TOKEN}"}


def metrics_in(expression: str) -> set[str]:
    """Return the names of the metrics in a PromQL expression."""
    return set(_NAME.findall(_NOT_METRICS.sub(" ", expression))) - _OPERATORS


def queried_metrics() -> set[str]:
    """Return the names of the metrics that panels and alerts query."""
    expressions = [rule["expr"] for rule in ALERTS]
    expressions += [query["expr"] for panel in DASHBOARD["panels"] for query in panel["targets"]]
    return {name for expression in expressions for name in metrics_in(expression)}


def exported_metrics(page: bytes) -> set[str]:
    """Return the names of the samples on the metrics page of a process."""
    families = text_string_to_metric_families(page.decode())
    return {sample.name for family in families for sample in family.samples}
