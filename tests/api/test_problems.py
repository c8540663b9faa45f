import logging

import pytest
from django.test import Client

pytestmark = [pytest.mark.urls("tests.api.urls"), pytest.mark.django_db]


def check(response, status, code):
    """Assert what every problem has; return the document."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["type"] == f"http://localhost:8000/api/problems#{code}"
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == response["X-Request-ID"]
    return problem


@pytest.mark.parametrize("debug", [True, False])
def test_an_unknown_url(settings, debug):
    settings.DEBUG = debug
    check(Client(enforce_csrf_checks=True).post("/api/v1/nothing/"), 404, "not_found")
    check(Client().get("/api/"), 404, "not_found")


def test_a_url_outside_the_api(settings):
    settings.DEBUG = False
    check(Client().get("/nothing"), 404, "not_found")


def test_an_unknown_host(settings):
    settings.DEBUG = False
    check(Client(raise_request_exception=False).get("/", HTTP_HOST="evil"), 400, "bad_request")


def test_a_domain_error_has_its_details(api):
    problem = check(api.get("/api/v1/things/refused"), 422, "refused")
    assert problem["max_refundable"] == "10.00"
    assert problem["detail"] == "Too much."


def test_a_conflict_lists_the_allowed_actions(api):
    problem = check(api.get("/api/v1/things/conflict"), 409, "invalid_transition")
    assert problem["allowed_actions"] == ["cancel"]


def test_an_unexpected_error_is_logged_and_reveals_nothing(api, caplog):
    with caplog.at_level(logging.ERROR, "django.request"):
        response = api.get("/api/v1/things/broken", headers={"X-Request-ID": "req-1"})
    check(response, 500, "internal_error")
    assert "secret" not in response.content.decode()
    (record,) = caplog.records
    assert record.exc_info[1].args == ("a secret",)
    assert record.getMessage() == "GET /api/v1/things/broken: RuntimeError"


def test_errors_name_nested_fields(api):
    body = {
        "currency": "XXQ",
        "colour": "red",
        "items": [{"quantity": 1, "unit_price": "1"}, {"quantity": 0, "size": 3}],
        "shipping_address": {"name": "A", "line1": "B", "city": "C", "country": "usa"},
    }
    problem = check(api.post("/api/v1/things", body), 400, "invalid_request")
    errors = problem["errors"]
    assert errors["colour"] == errors["items[1].size"] == ["Unknown field."]
    assert errors["items[1].unit_price"] == ["This field is required."]
    assert set(errors) == {
        "currency",
        "colour",
        "items[1].quantity",
        "items[1].unit_price",
        "items[1].size",
        "shipping_address.country",
    }


@pytest.mark.parametrize("body", ["{", "[" * 100_000, '{"a": NaN}', b"\xff"])
def test_malformed_json(api, body):
    check(api.post("/api/v1/things", body), 400, "malformed_json")


@pytest.mark.parametrize("body", ["[]", "1", "null", '"text"'])
def test_json_that_is_not_an_object(api, body):
    problem = check(api.post("/api/v1/things", body), 400, "invalid_request")
    assert problem["errors"] == {"non_field_errors": ["The body must be a JSON object."]}


def test_another_media_type(api):
    response = api.post("/api/v1/things", "a=1", content_type="application/x-www-form-urlencoded")
    check(response, 415, "unsupported_media_type")
    check(api.get("/api/v1/things", headers={"Accept": "text/html"}), 406, "not_acceptable")


def test_an_unsupported_method(api):
    response = api.delete("/api/v1/things?a=1", {"b": 2}, content_type="application/json")
    check(response, 405, "method_not_allowed")
    assert "POST" in response["Allow"]


def test_a_body_that_is_too_large(api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    check(api.post("/api/v1/things", {"currency": "x" * 100}), 413, "body_too_large")


def test_too_many_requests_have_a_retry_after(api):
    response = api.get("/api/v1/throttled")
    check(response, 429, "throttled")
    assert response["Retry-After"] == "3"


def test_health_needs_no_token_and_no_allowed_host():
    for name in ("live", "ready"):
        response = Client().get(f"/health/{name}", headers={"Host": "10.0.0.5:8000"})
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_not_ready_without_a_database(monkeypatch):
    from django.db import OperationalError, connection

    def unreachable():
        raise OperationalError("connection refused by 10.0.0.1")

    monkeypatch.setattr(connection, "cursor", unreachable)
    response = Client().get("/health/ready")
    check(response, 503, "database_unavailable")
    assert "10.0.0.1" not in response.content.decode()


@pytest.mark.parametrize(("is_usable", "status"), [(False, 503), (True, 500)])
def test_a_request_that_loses_the_database_can_be_retried(api, monkeypatch, is_usable, status):
    from django.db import connection

    monkeypatch.setattr(connection, "is_usable", lambda: is_usable)
    response = api.get("/api/v1/things/unlucky")
    assert response.status_code == status
    assert response.headers.get("Retry-After") == (None if is_usable else "5")
    assert "10.0.0.1" not in response.content.decode()
