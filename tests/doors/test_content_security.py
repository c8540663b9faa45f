"""Browsers run no script that the service has not sent as a file, on any page."""

import pytest
from django.urls import reverse

from tests.factories import OrderFactory

pytestmark = pytest.mark.django_db
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def policy(response) -> dict[str, str]:
    header = response["Content-Security-Policy"]
    return dict(each.strip().partition(" ")[::2] for each in header.split(";"))


def test_what_is_no_page_may_load_and_run_nothing(api, client):
    order = f"/api/v1/orders/{OrderFactory().id}"
    addresses = (order, "/api/v1/orders/x", "/api/x", "/api/schema", "/health/live", "/metrics")
    for response in [*map(api.get, addresses), client.get(order), api.post(order)]:
        assert response["Content-Security-Policy"] == NOTHING, response.request["PATH_INFO"]


@pytest.mark.parametrize("name", ["problems", "catalog", "docs"])
def test_pages_of_the_api_run_no_inline_script_and_no_text(client, name):
    found = policy(client.get(reverse(name)))
    assert found["default-src"] == "'none'"
    assert found.get("script-src", "'self'") == "'self'"
    assert "unsafe" not in str(found)
    assert found["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("name", ["login", "index", "orders_order_changelist", "second_factor"])
def test_pages_of_the_admin_run_no_inline_script(operator, client, name):
    url = reverse(f"admin:{name}")
    for response in (operator().get(url), client.get(url)):
        found = policy(response)
        assert found["script-src"] == "'self' 'unsafe-eval'"
        assert "unsafe" not in found["style-src"]
        assert (found["default-src"], found["form-action"]) == ("'none'", "'self'")
        assert (found["base-uri"], found["frame-ancestors"]) == ("'none'", "'none'")
