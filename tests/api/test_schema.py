"""The OpenAPI document, and the page that shows it."""

import json
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import jsonschema
import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from django.urls import resolve

from carts.serializers import Merge
from orders.models import Order
from orders.serializers.bodies import ITEM_ID
from tests.api.test_routes import ROUTES
from tests.factories import CartFactory, LineFactory, OrderFactory


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
}


def examples(content):
    """Every example in a body of JSON or of a problem, with its schema."""
    for media in content.values():
        for example in media.get("examples", {}).values():
            yield example["value"], media["schema"]


def test_it_is_served_without_a_token():
    answer = Client().get("/api/schema/")
    assert answer.status_code == 200
    assert answer.json() == DOCUMENT
    assert DOCUMENT["openapi"].startswith("3.1")


def test_every_route_is_in_it_and_nothing_else():
    documented = {
        (method, resolve(path.format(id="x", item_id="x")).url_name)
        for method, path, _ in OPERATIONS.values()
    }
    assert documented == {(method, name) for method, name, _ in ROUTES}
    assert len(OPERATIONS) == len(ROUTES)


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_every_operation_has_examples_that_its_own_schemas_accept(operation_id):
    _, _, operation = OPERATIONS[operation_id]
    found = list(examples(operation.get("requestBody", {"content": {}})["content"]))
    assert len(found) == ("requestBody" in operation)
    for status, response in operation["responses"].items():
        answers = list(examples(response["content"]))
        assert len(answers) == (status < "300"), status
        found += answers
    for value, schema in found:
        whole = schema | {"components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(whole).validate(value)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "operation_id", [name for name, (_, _, op) in OPERATIONS.items() if "requestBody" in op]
)
def test_the_service_accepts_every_example(api, operation_id):
    method, path, operation = OPERATIONS[operation_id]
    order = OrderFactory(status="confirmed", items=[LineFactory(quantity=4)])
    cart = CartFactory()
    ids = {ITEM_ID: order.lines[0].id, Merge.example["into"]: CartFactory().id}
    ((body, _),) = examples(operation["requestBody"]["content"])
    text = json.dumps(body)
    for placeholder, real in ids.items():
        text = text.replace(placeholder, real)
    url = path.format(
        id=cart.id if path.startswith("/api/v1/carts") else order.id, item_id=cart.lines[0].id
    )
    answer = api.generic(
        method, url, text, content_type="application/json", headers={"Idempotency-Key": "key"}
    )
    assert answer.status_code < 300, answer.json()
    assert str(answer.status_code) in operation["responses"]


def test_errors_are_problems_and_only_those_that_a_route_can_answer():
    always = {"400", "401", "403", "406", "429", "500", "503"}
    change = always | {"404", "409", "413", "415"}
    expected = {
        "orders_list": always | {"404"},
        "orders_retrieve": always | {"404"},
        "orders_timeline": always | {"404"},
        "events_list": always,
        "carts_create": change - {"404"} | {"422"},
        "carts_remove_item": change,
        "orders_cancel": change | {"422"},
    }
    for operation_id, errors in expected.items():
        _, _, operation = OPERATIONS[operation_id]
        documented = {status for status in operation["responses"] if status >= "400"}
        assert documented == errors, operation_id
        for status in documented:
            assert list(operation["responses"][status]["content"]) == ["application/problem+json"]


def test_a_key_is_required_where_money_moves():
    keys = {
        name: parameter.get("required", False)
        for name, (_, _, operation) in OPERATIONS.items()
        for parameter in operation["parameters"]
        if parameter["name"] == "Idempotency-Key"
    }
    assert set(keys) == {name for name, (method, _, _) in OPERATIONS.items() if method == "post"}
    assert [name for name, required in keys.items() if required] == ["carts_checkout"]


def test_every_operation_names_its_scope():
    _, _, cancel = OPERATIONS["orders_cancel"]
    assert cancel["security"] == [{"bearer": ["orders:write"]}]
    _, _, feed = OPERATIONS["events_list"]
    assert feed["security"] == [{"bearer": ["events:read"]}]


def test_allowed_actions_are_the_verbs_of_the_transition_table():
    verbs = DOCUMENT["components"]["schemas"]["OrderOutAllowedActions"]["enum"]
    assert set(verbs) == {row.verb for row in Order.transitions() if row.verb}
    assert "write-off" in verbs


class Assets(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.urls, self.script = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.urls += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.script += data


def test_the_page_loads_nothing_from_elsewhere(settings):
    settings.DEBUG = False
    answer = Client().get("/api/docs/")
    assert answer.status_code == 200
    assets = Assets(answer.content.decode())
    assert len(assets.urls) == 4
    for url in assets.urls:
        assert url.startswith("/static/"), url
        assert finders.find(url.removeprefix("/static/")), url
    assert 'url: "/api/schema/"' in assets.script
    assert '"validatorUrl": null' in assets.script
    assert "://" not in assets.script
    (stylesheet,) = [url for url in assets.urls if url.endswith(".css")]
    css = Path(finders.find(stylesheet.removeprefix("/static/"))).read_text()
    assert "url(http" not in css
    assert "@import" not in css
