"""The dashboard, the alerts and their guide match the metrics of the service."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.promql import (
    ALERTS,
    DASHBOARD,
    FOLDER,
    PROMETHEUS,
    exported_metrics,
    metrics_in,
    queried_metrics,
)

PAGE = (FOLDER / "alerts.md").read_text()
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def test_the_metrics_of_an_expression_are_found():
    expression = (
        'histogram_quantile(0.99, sum by (le) (rate(a_bucket{b!="c"}[10m]))) > 5'
        " and on (kind) absent(d) unless max without (e) (f offset 5m) > 1"
    )
    assert metrics_in(expression) - {"5m"} == {"a_bucket", "d", "f"}


@pytest.mark.django_db
def test_every_queried_metric_is_exported(client):
    assert (
        queried_metrics() - exported_metrics(client.get("/metrics", headers=PROMETHEUS).content)
        == set()
    )
    assert len(queried_metrics()) >= 8


@pytest.mark.django_db
def test_the_guide_lists_every_metric(client):
    families = text_string_to_metric_families(
        client.get("/metrics", headers=PROMETHEUS).content.decode()
    )
    ours = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in families
        if family.name.startswith("order_service_") and not family.name.endswith("_created")
    }
    guide = (FOLDER / "README.md").read_text()
    assert set(re.findall(r"^\| `(order_service_\w+)", guide, re.MULTILINE)) == ours


def test_every_alert_has_instructions():
    headings = re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)
    assert sorted(headings) == sorted(rule["alert"] for rule in ALERTS)
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        annotations = rule["annotations"]
        assert annotations["summary"]
        assert annotations["description"]
        assert annotations["runbook"] == f"docs/operations/alerts.md#{rule['alert'].lower()}"
        section = PAGE.split(f"## {rule['alert']}\n")[1].split("\n## ")[0]
        for question in ("What it means.", "Is anything lost?", "When to stop worrying."):
            assert f"**{question}**" in section, rule["alert"]


def test_the_dashboard_can_be_imported():
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["type"]) == ("datasource", "datasource")
    assert variable["query"] == "prometheus"
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["datasource"] == DATASOURCE, panel["title"]
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        for query in panel["targets"]:
            assert query.get("datasource", DATASOURCE) == DATASOURCE, panel["title"]
    places = [set(_cells(**panel["gridPos"])) for panel in panels]
    assert len(set.union(*places)) == sum(map(len, places)), "panels overlap"


def _cells(x, y, w, h):
    return ((column, row) for column in range(x, x + w) for row in range(y, y + h))


def test_the_links_of_the_guide_exist():
    for path in FOLDER.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]*)(?:#[^)]*)?\)", path.read_text()):
            assert (FOLDER / target).exists(), f"{path.name}: {target}"
