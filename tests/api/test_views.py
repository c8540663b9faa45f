from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from rest_framework import serializers

from config.api.authentication import Caller
from config.api.models import IdempotencyRecord
from config.api.serializers import CurrencyCode, MoneyIn
from tests.api import urls
from tests.api.test_problems import check

pytestmark = [pytest.mark.urls("tests.api.urls"), pytest.mark.django_db]


def put(key, organization="org_1"):
    return IdempotencyRecord.objects.create(
        organization_id=organization, subject="u", method="POST", path="/", key=key, status=200
    )


def test_reading_and_writing_need_different_scopes(caller, order):
    reader, writer = caller("things:read other:write"), caller("things:write")
    assert reader.get("/api/v1/things").status_code == 200
    assert "things:write" in check(reader.post("/api/v1/things"), 403, "missing_scope")["detail"]
    assert writer.post("/api/v1/things", order).status_code == 201
    assert "things:read" in check(writer.get("/api/v1/things"), 403, "missing_scope")["detail"]


@pytest.mark.parametrize(
    ("scopes", "scope", "allowed"),
    [
        ("orders:cancel", "orders:cancel", True),
        ("orders:write", "orders:cancel", True),
        ("*", "orders:cancel", True),
        ("*", "returns:override", True),
        ("orders:cancel orders:read", "orders:hold", False),
        ("orders:write", "orders:read", False),
        ("orders:write", "returns:approve", False),
        ("returns:write", "returns:override", False),
        ("actors:write", "actors:delegate", False),
        ("orders", "orders:cancel", False),
        ("", "orders:cancel", False),
    ],
)
def test_a_bundle_includes_the_scopes_that_change_its_context(scopes, scope, allowed):
    caller = Caller("user_1", "org_1", frozenset(scopes.split()), "user_1")
    assert caller.may(scope) == allowed


def test_another_organizations_row_does_not_exist(api):
    put("mine")
    put("theirs", "org_2")
    assert api.get("/api/v1/things").json()["results"] == ["mine"]
    assert api.get("/api/v1/things/mine").json() == {"key": "mine"}
    theirs, missing = api.get("/api/v1/things/theirs"), api.get("/api/v1/things/missing")
    check(theirs, 404, "not_found")
    assert {**theirs.json(), "request_id": ""} == {**missing.json(), "request_id": ""}


@pytest.mark.parametrize("path", ["", "/mine", "/missing"])
def test_no_answer_is_kept_by_a_cache(api, path):
    put("mine")
    assert api.get(f"/api/v1/things{path}")["Cache-Control"] == "no-store"


@pytest.mark.parametrize("key", ["..%2F", "a%00b", "%00", "é", "a b", "%FF", "x" * 65, "../../x"])
def test_a_malformed_id(api, key):
    check(api.get(f"/api/v1/things/{key}"), 404, "not_found")
    check(api.post(f"/api/v1/things/{key}"), 404, "not_found")


def test_the_actor_is_the_subject(api, order):
    assert api.post("/api/v1/things", order).json()["actor"] == "user_1"


def test_a_service_can_act_for_a_person(caller, order):
    body = order | {"actor": "picker_1"}
    allowed = caller("things:write actors:delegate")
    assert allowed.post("/api/v1/things", body).json()["actor"] == "picker_1"
    problem = check(caller("things:write").post("/api/v1/things", body), 403, "missing_scope")
    assert "actors:delegate" in problem["detail"]


@pytest.mark.parametrize("actor", ["", "a" * 65, None, 7, {}, "a\0b", "a\x1b[2Jb"])
def test_an_invalid_actor(api, order, actor):
    problem = check(api.post("/api/v1/things", order | {"actor": actor}), 400, "invalid_request")
    assert list(problem["errors"]) == ["actor"]


def test_the_request_keeps_its_id(api, order):
    response = api.post("/api/v1/things", order, headers={"X-Request-ID": "abc-1"})
    assert response["X-Request-ID"] == response.json()["request_id"] == "abc-1"


@pytest.mark.parametrize("given", ["", "a b", "é", "x" * 65])
def test_an_invalid_request_id_is_replaced(api, given):
    assert api.get("/api/v1/things", headers={"X-Request-ID": given})["X-Request-ID"][:4] == "req_"


def test_newest_first_page_by_page(api):
    keys = [row.key for row in sorted((put(f"k{i}") for i in range(5)), key=lambda row: row.id)]
    first = api.get("/api/v1/things?page_size=2").json()
    assert first["previous"] is None
    assert first["results"] == keys[:2:-1]
    second = api.get(first["next"]).json()
    assert second["results"] == keys[2:0:-1]
    assert api.get(second["previous"]).json()["results"] == first["results"]
    assert api.get(api.get(second["next"]).json()["previous"]).json()["results"] == keys[2:0:-1]


def test_a_page_has_25_rows_by_default_and_at_most_100(api):
    for i in range(101):
        put(f"k{i}")
    assert len(api.get("/api/v1/things").json()["results"]) == 25
    assert len(api.get("/api/v1/things?page_size=100").json()["results"]) == 100


@pytest.mark.parametrize("size", ["101", "0", "-1", "x", ""])
def test_an_invalid_page_size(api, size):
    problem = check(api.get(f"/api/v1/things?page_size={size}"), 400, "invalid_request")
    assert list(problem["errors"]) == ["page_size"]


@pytest.mark.parametrize("cursor", ["x", "é", "cD0lMDA=", "cD0lMjc=", "bz1h", "cj14"])
def test_an_invalid_cursor(api, cursor):
    check(api.get(f"/api/v1/things?cursor={cursor}"), 404, "not_found")


def test_amounts_have_the_decimals_of_their_currency(api, monkeypatch):
    thing = SimpleNamespace(
        amount=Decimal("125.5000"),
        currency="KWD",
        shipping=Decimal("1300.0000"),
        parent=SimpleNamespace(currency="JPY"),
        paid_at=datetime(2025, 11, 23, 15, 0, 0, 999, UTC),
    )
    monkeypatch.setattr(urls, "PRICED", thing)
    assert api.get("/api/v1/things/priced").json() == {
        "amount": "125.500",
        "shipping": "1300",
        "paid_at": "2025-11-23T15:00:00Z",
    }
    thing.amount = None
    assert api.get("/api/v1/things/priced").json()["amount"] is None


BAD_AMOUNTS = [
    "-0.01",
    "-0",
    "1e2",
    "1_0",
    " 1",
    "١",
    "NaN",
    "sNaN",
    "Infinity",
    "1e30",
    "",
    "x",
]


@pytest.mark.parametrize("amount", [*BAD_AMOUNTS, -0.01, 1e-5, 1e30, True, None, [1]])
def test_an_invalid_amount(amount):
    with pytest.raises(serializers.ValidationError):
        MoneyIn().run_validation(amount)


@pytest.mark.parametrize(
    ("amount", "value"), [("1.1", "1.1000"), (1.1, "1.1000"), (100, "100.0000"), (-0.0, "0.0000")]
)
def test_a_valid_amount(amount, value):
    assert str(MoneyIn().run_validation(amount)) == value


# XXX is in ISO 4217: “no currency”, which has no decimals.
@pytest.mark.parametrize("code", ["usd", "XXQ", "XXX", "US", "", "USDX", "U\0D", None])
def test_an_invalid_currency(code):
    with pytest.raises(serializers.ValidationError):
        CurrencyCode().run_validation(code)
