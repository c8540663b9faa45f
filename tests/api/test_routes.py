"""What every route does about tokens, scopes and organizations."""

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
    """Every method of every route of a context, with the context's scope."""
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
    """The URL of a row that exists; its line, where the route is about one."""
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


def test_the_routes_are_those_of_the_documentation():
    assert len(ROUTES) == 56
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
def test_a_missing_scope_is_403_and_named(caller, method, name, scope):
    needed = f"{scope}:{'read' if method == 'get' else 'write'}"
    other = f"{scope}:{'write' if method == 'get' else 'read'} nothing:read"
    answer = send(caller(scope=other), method, url_of(name))
    assert answer.status_code == 403
    assert (answer.json()["code"], needed in answer.json()["detail"]) == ("missing_scope", True)


@pytest.mark.parametrize(("method", "name", "scope"), ROUTES)
def test_no_token_and_a_forged_one_are_401(client, method, name, scope):
    url = url_of(name)
    assert send(client, method, url).status_code == 401
    claims = {"sub": "user_1", "organization_id": "org_1", "scope": "*", "exp": 2**31}
    for token in (jwt.encode(claims, "x" * 32), jwt.encode(claims, None, "none")):
        client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        answer = send(client, method, url)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


@pytest.mark.parametrize(
    ("method", "name", "scope"), [r for r in ROUTES if not r[1].endswith("-list")]
)
def test_another_organization_s_row_is_404(caller, method, name, scope):
    url = url_of(name, organization_id="org_2")
    before = EventRecord.objects.count()
    answer = send(caller(), method, url)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert EventRecord.objects.count() == before


@pytest.mark.parametrize("kind", [*OWN, "publication"])
def test_lists_hold_the_organization_s_own_rows(caller, kind):
    for factory in OWN.values():
        factory(organization_id="org_2")
    assert caller().get(reverse(f"{kind}-list")).json()["results"] == []


@pytest.mark.parametrize(("method", "name", "scope"), ROUTES)
def test_a_query_parameter_that_the_route_does_not_know_is_refused(caller, method, name, scope):
    url, before = url_of(name), EventRecord.objects.count()
    answer = send(caller(), method, f"{url}?dry_run=true")
    assert answer.status_code == 400
    assert answer.json()["errors"] == {"dry_run": ["Unknown parameter."]}
    assert EventRecord.objects.count() == before


def test_an_expired_token_is_401(caller, client):
    token = tokens.issue(
        organization_id="org_1", subject="u", scope="*", lifetime=timedelta(seconds=-1)
    )
    answer = client.get("/api/v1/orders", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")
    assert settings.JWT_SECRET not in answer.content.decode()
