"""The metrics tell how much work there is: only Prometheus reads them, with a token of its own."""

import pytest

from tests.promql import PROMETHEUS

pytestmark = pytest.mark.django_db


def test_prometheus_has_a_token_of_its_own(client, api):
    assert client.get("/metrics", headers=PROMETHEUS).status_code == 200
    for given in ("", "Bearer", "Bearer x", "Bearer é", "Basic x"):
        response = client.get("/metrics", headers={"Authorization": given})
        assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
        assert response["WWW-Authenticate"] == "Bearer"
    assert client.get("/metrics").status_code == 401
    assert api.get("/metrics").status_code == 401, "with the token of a caller"


def test_without_a_token_in_the_settings_they_are_not_served(client, settings):
    settings.METRICS_TOKEN = ""
    for given in ({}, {"Authorization": "Bearer "}, PROMETHEUS):
        assert client.get("/metrics", headers=given).status_code == 404
