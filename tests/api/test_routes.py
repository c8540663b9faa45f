"""Every route requires a token and a scope, and shows the rows of one organization."""

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from config.api import tokens
from config.api.authentication import SEPARATE
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
    """Return every method of every route of a context, with the required scope."""
    found = []
    for pattern in walk(get_resolver().url_patterns):
        view = getattr(pattern.callback, "cls", None)
        if view and issubclass(view, ContextViewSet):
            for method, action in pattern.callback.actions.items():
                scope = view(action=action).required_scope(method.upper())
                found.append((method, pattern.name, scope))
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
    "customer": lambda **fields: SimpleNamespace(id=CartFactory(**fields).customer_id),
}


def url_of(name: str, **fields: Any) -> str:
    """Create a row, and return the route's URL for the row or for its first line."""
    kind = name.split("-")[0]
    if name in {f"{kind}-list", "payment-external"} or kind not in OWN:
        return reverse(name)
    row = OWN[kind](**fields)
    if name.startswith("cart-item") and name != "cart-items":
        return reverse(name, args=[row.id, row.lines[0].id])
    return reverse(name, args=[row.id])


def send(client, method, url):
    kwargs = {} if method in ("get", "delete") else {"content_type": "application/json"}
    return getattr(client, method)(url, headers={"Idempotency-Key": "key"}, **kwargs)


def test_the_number_of_routes_and_their_scopes():
    assert len(ROUTES) == 72
    assert {scope for _, _, scope in ROUTES} == {
        *(f"carts:{verb}" for verb in ("read", "fill", "price", "checkout")),
        *(f"orders:{verb}" for verb in ("read", "create", "allocate", "cancel", "hold")),
        *(f"orders:{verb}" for verb in ("write_off", "correct", "edit")),
        *(f"payments:{verb}" for verb in ("read", "start", "capture", "refund")),
        *(f"fulfillment:{verb}" for verb in ("read", "pick", "move")),
        *(f"shipments:{verb}" for verb in ("read", "dispatch", "track")),
        *(f"returns:{verb}" for verb in ("read", "request", "approve", "receive", "refund")),
        *(f"invoices:{verb}" for verb in ("read", "send", "reissue")),
        "events:read",
        "customers:export",
        "customers:erase",
    }


@pytest.mark.parametrize(("method", "name", "scope"), ROUTES)
def test_a_missing_scope_is_403_and_is_named(caller, method, name, scope):
    others = {each for _, _, each in ROUTES} - {scope}
    if method == "get":
        others.add(f"{scope.partition(':')[0]}:write")
    response = send(caller(scope=" ".join(sorted(others))), method, url_of(name))
    assert response.status_code == 403
    assert response.json()["code"] == "missing_scope"
    assert response.json()["detail"] == f"The token lacks the scope {scope}."


@pytest.mark.parametrize(("method", "name", "scope"), ROUTES)
def test_the_scope_or_its_bundle_is_enough(caller, method, name, scope):
    context, _, verb = scope.partition(":")
    bundles = {"*"} if verb in SEPARATE else {"*", f"{context}:write"}
    for each in {scope} | bundles:
        assert send(caller(scope=each), method, url_of(name)).status_code != 403


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
    ("method", "name", "scope"),
    [r for r in ROUTES if not r[1].endswith(("-list", "payment-external"))],
)
def test_a_row_of_another_organization_is_404(caller, method, name, scope):
    url = url_of(name, organization_id="org_2")
    before = EventRecord.objects.count()
    response = send(caller(), method, url)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert response.json()["request_id"] == response.headers["X-Request-ID"]
    assert EventRecord.objects.count() == before


@pytest.mark.parametrize("kind", [*(kind for kind in OWN if kind != "customer"), "publication"])
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
