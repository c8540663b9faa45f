"""Every route requires a token and a scope, and shows the rows of one organization."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from config.api import tokens
from config.api.views import ContextViewSet
from events.models import EventRecord
from tests.factories import CartFactory, InvoiceFactory, OrderFactory, PaymentFactory
from tests.fulfillment.factories import FulfillmentFactory
from tests.returns.factories import ReturnFactory
from tests.shipments.factories import ShipmentFactory

pytestmark = pytest.mark.django_db


def walk(patterns: list[Any]) -> Iterator[URLPattern]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns)
        else:
            yield pattern


def routes() -> list[tuple[str, str, str]]:
    """Return every method of every route of a context, with the context's scope."""
    found = []
    for pattern in walk(get_resolver().url_patterns):
        view = getattr(pattern.callback, "cls", None)
        if view and issubclass(view, ContextViewSet):
            found += [(method, pattern.name, view.scope) for method in pattern.callback.actions]
    return found


ROUTES = routes()
OWN = {
    "cart": CartFactory,
    "order": OrderFactory,
    "payment": PaymentFactory,
    "fulfillment": FulfillmentFactory,
    "shipment": ShipmentFactory,
    "return": ReturnFactory,
    "invoice": InvoiceFactory,
}


def url_of(name: str, **fields: Any) -> str:
    """Create a row, and return the route's URL for the row or for its first line."""
    kind = name.split("-")[0]
    if name in {f"{kind}-list"} or kind not in OWN:
        return reverse(name)
    row = OWN[kind](**fields)
    if name.startswith("cart-item") and name != "cart-items":
        return reverse(name, args=[row.id, row.lines[0].id])
    return reverse(name, args=[row.id])


def send(client, method, url):
    kwargs = {} if method in ("get", "delete") else {"content_type": "application/json"}
    return getattr(client, method)(url, headers={"Idempotency-Key": "key"}, **kwargs)


def test_the_number_of_routes_and_their_scopes():
    assert len(ROUTES) == 61
    scopes = {scope for _, _, scope in ROUTES}
    assert scopes == {
        "carts",
        "orders",
        "payments",
        "fulfillment",
        "shipments",
        "returns",
        "invoices",
        "events",
    }


@pytest.mark.parametrize(("method", "name", "scope"), ROUTES)
def test_a_missing_scope_is_403_and_is_named(caller, method, name, scope):
    needed = f"{scope}:{'read' if method == 'get' else 'write'}"
    other = f"{scope}:{'write' if method == 'get' else 'read'} nothing:read"
    response = send(caller(scope=other), method, url_of(name))
    assert response.status_code == 403
    assert (response.json()["code"], needed in response.json()["detail"]) == ("missing_scope", True)


@pytest.mark.parametrize(("method", "name", "scope"), ROUTES)
def test_a_missing_and_a_forged_token_are_401(client, method, name, scope):
    url = url_of(name)
    assert send(client, method, url).status_code == 401
    claims = {"sub": "user_1", "organization_id": "org_1", "scope": "*", "exp": 2**31}
    for token in (jwt.encode(claims, "x" * 32), jwt.encode(claims, None, "none")):
        client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        response = send(client, method, url)
        assert (response.status_code, response.json()["code"]) == (401, "invalid_token")


@pytest.mark.parametrize(
    ("method", "name", "scope"), [r for r in ROUTES if not r[1].endswith("-list")]
)
def test_a_row_of_another_organization_is_404(caller, method, name, scope):
    url = url_of(name, organization_id="org_2")
    before = EventRecord.objects.count()
    response = send(caller(), method, url)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert response.json()["request_id"] == response.headers["X-Request-ID"]
    assert EventRecord.objects.count() == before


@pytest.mark.parametrize("kind", [*OWN, "publication"])
def test_lists_contain_only_rows_of_the_organization(caller, kind):
    for factory in OWN.values():
        factory(organization_id="org_2")
    assert caller().get(reverse(f"{kind}-list")).json()["results"] == []


@pytest.mark.parametrize(("method", "name", "scope"), ROUTES)
def test_an_unknown_query_parameter_is_refused(caller, method, name, scope):
    url, before = url_of(name), EventRecord.objects.count()
    response = send(caller(), method, f"{url}?dry_run=true")
    assert response.status_code == 400
    assert response.json()["errors"] == {"dry_run": ["Unknown parameter."]}
    assert EventRecord.objects.count() == before


def test_an_expired_token_is_401(caller, client):
    token = tokens.issue(
        organization_id="org_1", subject="u", scope="*", lifetime=timedelta(seconds=-1)
    )
    response = client.get("/api/v1/orders", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["code"]) == (401, "token_expired")
    assert settings.JWT_SECRET not in response.content.decode()
