"""The OpenAPI document, and the page that shows it."""

import json
import re
from io import StringIO
from pathlib import Path

import jsonschema
import pytest
from django.conf import settings
from django.contrib import admin
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver, resolve, reverse
from drf_spectacular.generators import SchemaGenerator

import config
from config.api import operations
from config.api.views import DELEGATE
from invoices.files import signed_url
from orders.models import Order
from returns.views import OVERRIDE
from shipments.files import signed_url as label_url
from tests.api.example_rows import row_for
from tests.api.test_routes import ROUTES, walk
from tests.contract.test_samples import SAMPLES
from tests.factories import (
    InvoiceFactory,
    deliver_documents,
)
from tests.shipments.factories import ShipmentFactory


def generate():
    document = StringIO()
    options = {"validate": True, "fail_on_warn": True, "format": "openapi-json"}
    call_command("spectacular", **options, stdout=document)
    return json.loads(document.getvalue())


DOCUMENT = generate()  # fails on a document that is not valid, and on any warning
OPERATIONS = {
    operation["operationId"]: (method, path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if operation["security"]
}
OPEN = {
    path: item["get"]
    for path, item in DOCUMENT["paths"].items()
    if "get" in item and not item["get"]["security"]
}
ADMIN = {pattern.name for pattern in walk(admin.site.urls[0])}


def resolved(response):
    """Return the response itself if this is a reference to a shared one."""
    name = response.get("$ref", "").rpartition("/")[2]
    return DOCUMENT["components"]["responses"][name] if name else response


def examples(content):
    """Yield every example of a body, with its schema."""
    for media in content.values():
        for example in media.get("examples", {}).values():
            yield example["value"], media["schema"]


@pytest.mark.parametrize("url", ["/api/schema/", "/api/schema"])
def test_it_is_served_without_a_token(url):
    response = Client().get(url)
    assert response.status_code == 200
    assert response.json() == DOCUMENT
    assert DOCUMENT["openapi"].startswith("3.1")


def test_its_version_is_the_projects(client):
    assert DOCUMENT["info"]["version"] == config.__version__
    events = client.get("/api/v1/events/asyncapi.json").json()
    assert events["info"]["version"] == config.__version__


def test_it_names_its_server_and_a_contact(settings):
    settings.PUBLIC_URL = "https://orders.example.com"
    settings.DEFAULT_SELLER = {"name": "A Market", "email": "api@example.com", "tax_id": "T-1"}
    document = generate()
    assert document["servers"] == [{"url": "https://orders.example.com"}]
    assert document["info"]["contact"] == {"name": "A Market", "email": "api@example.com"}


def test_every_tag_is_described_and_used():
    used = {
        tag for item in DOCUMENT["paths"].values() for one in item.values() for tag in one["tags"]
    }
    assert {tag["name"] for tag in DOCUMENT["tags"]} == used


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_a_probe_refuses_a_body_that_is_too_large(client, path):
    response = client.get(path, CONTENT_LENGTH=2**21)
    assert response.status_code == 413
    assert "413" in OPEN[path]["responses"]


def test_it_is_generated_once_and_without_spaces(monkeypatch):
    before = Client().get("/api/schema/").content
    monkeypatch.setattr(SchemaGenerator, "get_schema", None)
    assert Client().get("/api/schema/").content == before
    assert b'"paths":{"/api' in before


def test_every_route_is_in_it_and_nothing_else():
    documented = {
        (method, resolve(path.format(id="x", item_id="x", customer_id="x")).url_name)
        for method, path, _ in OPERATIONS.values()
    }
    assert documented == {(method, name) for method, name, _ in ROUTES}
    assert len(OPERATIONS) == len(ROUTES)


def test_every_url_is_in_it_except_the_admin_and_the_documentation():
    names = {pattern.name for pattern in walk(get_resolver().url_patterns)} - ADMIN
    of_contexts = {name for _, name, _ in ROUTES}
    other = {"document", "label-document", "stripe-webhook", "carrier-webhook"}
    assert names - of_contexts == {"asyncapi", "catalog", "schema", "docs", "problems"} | other
    assert reverse("stripe-webhook") in DOCUMENT["paths"]
    probes = {"/health/live", "/health/ready"}
    assert set(OPEN) - probes == {
        reverse("asyncapi"),
        "/api/v1/events/catalog",
        "/api/v1/documents/{token}",
        "/api/v1/labels/{token}",
    }


@pytest.mark.django_db
@pytest.mark.usefixtures("media")
@pytest.mark.parametrize("path", OPEN)
def test_a_route_without_a_token_returns_the_documented_media_type(client, path):
    responses = OPEN[path]["responses"]
    (kind,) = responses["200"]["content"]
    document, shipment = InvoiceFactory().documents.get(), ShipmentFactory(status="label_created")
    deliver_documents()
    url = label_url(shipment.label) if "labels" in path else signed_url(document)
    response = client.get(path.format(token=url.rpartition("/")[2]))
    assert (response.status_code, response["Content-Type"].split(";")[0]) == (200, kind)


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_every_operation_has_examples_that_its_own_schemas_accept(operation_id):
    _, _, operation = OPERATIONS[operation_id]
    found = list(examples(operation.get("requestBody", {"content": {}})["content"]))
    assert len(found) == ("requestBody" in operation)
    for response in operation["responses"].values():
        shown = list(examples(resolved(response)["content"]))
        assert shown
        found += shown
    for value, schema in found:
        whole = schema | {"components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(whole).validate(value)


@pytest.fixture
def ask(api, settings):
    """Return a function that sends an operation's example for a row that accepts it."""

    def send(operation_id, **more):
        settings.CARRIER_SANDBOX = operation_id == "revoke_label_links"  # which stores the label
        method, path, operation = OPERATIONS[operation_id]
        row, ids = row_for(operation_id, operation["tags"][0])
        ids |= {'"stripe"': '"sandbox"', "pm_card_mastercard": "tok_ok"}
        bodies = examples(operation.get("requestBody", {"content": {}})["content"])
        text = "".join(json.dumps(body | more) for body, _ in bodies)
        for placeholder, real in ids.items():
            text = text.replace(placeholder, real)
        names = {"id": row.id, "customer_id": row.id}
        if "{item" in path:
            names["item_id"] = row.lines[0].id
        return api.generic(
            method,
            path.format(**names),
            text,
            content_type="application/json",
            headers={"Idempotency-Key": "key"},
        )

    return send


@pytest.mark.django_db
@pytest.mark.parametrize(
    "operation_id", [name for name, (method, _, _) in OPERATIONS.items() if method != "get"]
)
def test_the_service_accepts_every_example_and_responds_as_documented(ask, operation_id):
    response = ask(operation_id)
    assert response.status_code < 300, response.json()
    documented = OPERATIONS[operation_id][2]["responses"][str(response.status_code)]
    ((shown, _),) = examples(documented["content"])
    assert gist(shown) == gist(response.json())


@pytest.mark.django_db
@pytest.mark.parametrize(
    "operation_id", [name for name, (*_, each) in OPERATIONS.items() if "requestBody" in each]
)
def test_every_operation_refuses_an_unknown_field(ask, operation_id):
    response = ask(operation_id, misspelt=1)
    assert response.status_code == 400, response.json()
    assert response.json()["errors"] == {"misspelt": ["Unknown field."]}


def gist(row):
    """Return what the example shares with the real response: no ids, actors and times."""
    reasons = [row.get(what) and row[what]["reason"] for what in ("hold", "cancellation")]
    lines = [line.get("cancelled") for line in row.get("items", [])]
    return row.get("status"), *reasons, lines, row.get("allowed_actions")


def test_errors_are_problems_and_only_those_that_a_route_can_return():
    always = {"400", "401", "403", "406", "429", "500", "503"}
    change = always | {"404", "409", "411", "413", "415"}
    expected = {
        "list_orders": always | {"404"},
        "get_order": always | {"404"},
        "get_order_timeline": always | {"404"},
        "list_events": always,
        "create_cart": change - {"404"} | {"422"},
        "remove_cart_item": change,
        "cancel_order": change | {"422"},
    }
    for operation_id, errors in expected.items():
        _, _, operation = OPERATIONS[operation_id]
        documented = {status for status in operation["responses"] if status >= "400"}
        assert documented == errors, operation_id
        for status in documented:
            response = resolved(operation["responses"][status])
            assert list(response["content"]) == ["application/problem+json"]


def test_a_key_is_required_where_a_repetition_would_do_harm():
    keys = {
        name: parameter.get("required", False)
        for name, (_, _, operation) in OPERATIONS.items()
        for parameter in operation["parameters"]
        if parameter["name"] == "Idempotency-Key"
    }
    assert set(keys) == {name for name, (method, _, _) in OPERATIONS.items() if method == "post"}
    assert [name for name, required in keys.items() if required] == [
        "check_out_cart",
        "refund_order",
        "start_payment",
        "refund_payment",
        "retry_payment",
        "close_return",
        "receive_return",
        "refund_return",
    ]


def test_every_operation_names_its_scope():
    _, _, cancel = OPERATIONS["cancel_order"]
    assert cancel["security"] == [{"bearer": ["orders:cancel"]}]
    _, _, feed = OPERATIONS["list_events"]
    assert feed["security"] == [{"bearer": ["events:read"]}]
    explained = DOCUMENT["components"]["securitySchemes"]["bearer"]["description"]
    assert DELEGATE in explained
    assert OVERRIDE in explained
    scopes = {operation["security"][0]["bearer"][0] for _, _, operation in OPERATIONS.values()}
    assert {scope for scope in scopes if scope.endswith(":write")} == set()
    guide = (Path(settings.BASE_DIR) / "docs/security.md").read_text()
    for scope in scopes | {DELEGATE, OVERRIDE}:
        assert f"`{scope}`" in guide


def test_allowed_actions_are_the_verbs_of_the_transition_table():
    verbs = DOCUMENT["components"]["schemas"]["OrderAllowedActions"]["enum"]
    assert set(verbs) == {row.verb for row in Order.transitions() if row.verb}
    assert "write-off" in verbs


def test_every_code_of_a_problem_is_explained():
    code = DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]
    assert {"invalid_request", "discount_too_large", "missing_scope"} < set(code["enum"])
    assert "not_parked" not in code["enum"]  # only operators see it
    for one in code["enum"]:
        assert re.search(rf"^- `{one}`: .+\.$", code["description"], re.MULTILINE), one


def problems(operation_id, status):
    """Return the examples of an error response by their code."""
    response = resolved(OPERATIONS[operation_id][2]["responses"][status])
    (media,) = response["content"].values()
    return {code: example["value"] for code, example in media["examples"].items()}


@pytest.mark.parametrize(
    ("operation_id", "status", "codes"),
    [
        ("list_orders", "404", ["not_found"]),
        ("update_cart_item", "409", ["invalid_transition"]),
        ("cancel_order", "409", ["has_left", "in_progress", "invalid_transition"]),
        ("start_payment", "400", ["idempotency_key_required", "invalid_request", "malformed_json"]),
        ("hold_order", "422", ["idempotency_key_reused"]),
    ],
)
def test_an_operation_documents_each_error_that_it_can_return(operation_id, status, codes):
    assert sorted(problems(operation_id, status)) == codes


def test_the_example_of_a_refused_transition_is_specific_to_the_operation():
    details = {
        operation_id: problems(operation_id, "409")["invalid_transition"]["detail"]
        for operation_id in ("cancel_order", "hold_order", "close_return", "deliver_shipment")
    }
    assert details["hold_order"].startswith("`hold` is not possible for order_")
    assert len(set(details.values())) == len(details)


@pytest.mark.parametrize(
    "operation_id", [name for name, (*_, one) in OPERATIONS.items() if "requestBody" in one]
)
def test_the_example_of_an_invalid_request_names_a_field_of_the_operation(operation_id):
    (content,) = OPERATIONS[operation_id][2]["requestBody"]["content"].values()
    schema = DOCUMENT["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    (path,) = problems(operation_id, "400")["invalid_request"]["errors"]
    assert path.partition("[")[0].partition(".")[0] in schema["properties"]


def test_every_declared_error_has_an_example_of_its_detail():
    bare = [code for code, error in operations.declared.items() if error.detail == error.meaning]
    assert [code for code in bare if code != "invalid_transition"] == []


def test_a_problem_names_the_page_that_explains_its_code(client, settings):
    problem = client.get("/api/v1/nothing").json()
    assert problem["type"] == f"{settings.PUBLIC_URL}/api/problems#not_found"
    page = client.get("/api/problems").content.decode()
    for code in DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]:
        assert f'id="{code}"' in page
    assert "<code>detail</code>" in page


def test_every_query_parameter_has_a_description():
    parameters = {
        (operation_id, parameter["name"]): parameter
        for operation_id, (_, _, operation) in OPERATIONS.items()
        for parameter in operation["parameters"]
        if parameter["in"] == "query"
    }
    assert [key for key, value in parameters.items() if not value.get("description")] == []
    assert "not at it" in parameters["list_carts", "created_before"]["description"]
    assert parameters["list_orders", "local"]["schema"]["maxLength"] == 64
    assert set(parameters["list_events", "name"]["schema"]["enum"]) == set(SAMPLES)


@pytest.mark.parametrize("url", ["/api/docs", "/api/v1/events/catalog"])
def test_a_page_is_found_without_its_trailing_slash(url):
    assert Client().get(url).status_code == 200


def test_the_page_does_not_call_an_online_validator():
    assert '"validatorUrl": null' in Client().get("/api/docs/?script").content.decode()
