"""The AsyncAPI document is valid, and its schemas accept exactly the published messages."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from django.utils import timezone

from carts.services import abandon_idle_carts, check_out
from events.models import EventRecord
from events.schema import registry
from tests.contract.test_samples import EXTENSIONS, SAMPLES
from tests.factories import ADDRESS, CartFactory, OrderFactory

WARNING = 1  # an error is 0; what is above is advice
PARSER = Path(__file__).parent / "parser" / "validate.js"


@pytest.fixture
def document(client):
    return client.get("/api/v1/events/asyncapi.json").json()


def judged(document):
    """Return the problems that the reference parser finds, and the events that it read."""
    node = Path(sys.executable).with_name("node")
    done = subprocess.run(
        [node, PARSER], input=json.dumps(document), capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stderr}\n(`make test` installs the parser)"
    response = json.loads(done.stdout)
    return [d for d in response["diagnostics"] if d["severity"] <= WARNING], response["events"]


def problems(document, name, body):
    schema = document["components"]["messages"][name]["payload"]
    whole = schema | {"components": document["components"]}
    checker = jsonschema.Draft7Validator.FORMAT_CHECKER
    validator = jsonschema.Draft7Validator(whole, format_checker=checker)
    return [error.message for error in validator.iter_errors(body)]


def test_the_reference_parser_accepts_it(document):
    complaints, events = judged(document)
    assert complaints == []
    assert sorted(events) == sorted(SAMPLES)


@pytest.fixture
def extended(client, settings):
    """The document of an installation with a queue that names every internal event."""
    settings.EVENTS_CONSUMER_QUEUES = {"support": list(EXTENSIONS)}
    return client.get("/api/v1/events/asyncapi.json").json()


def test_the_reference_parser_accepts_every_extension(extended):
    complaints, events = judged(extended)
    assert complaints == []
    assert sorted(events) == sorted([*SAMPLES, *EXTENSIONS])


@pytest.mark.parametrize("name", EXTENSIONS)
def test_the_sample_of_an_extension_fits_its_schema(extended, name):
    sample = json.loads(EXTENSIONS[name])
    assert problems(extended, name, sample) == []
    assert extended["components"]["messages"][name]["examples"][0]["payload"] == sample


@pytest.mark.parametrize("name", EXTENSIONS)
def test_an_extension_says_which_order_or_cart_it_is_about(name):
    if not name.startswith("event."):  # these are about a message of any stream
        assert {"order_id", "cart_id"} & json.loads(EXTENSIONS[name])["data"].keys()


@pytest.mark.parametrize("part", ["bindings", "payload", "examples"])
def test_the_reference_parser_finds_a_mistake(document, part):
    document["components"]["messages"]["payment.succeeded"][part] = {"type": "nonsense"}
    complaints, _ = judged(document)
    assert complaints


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_fits_its_schema_and_is_the_message_s_example(document, name):
    sample = json.loads(SAMPLES[name])
    assert problems(document, name, sample) == []
    assert document["components"]["messages"][name]["examples"][0]["payload"] == sample


@pytest.mark.parametrize("name", SAMPLES)
def test_the_schemas_refuse_missing_and_unknown_keys_and_other_events(document, name):
    sample = json.loads(SAMPLES[name])
    data = sample["data"]
    for key in data:
        without = {k: v for k, v in data.items() if k != key}
        assert problems(document, name, sample | {"data": without})
    assert problems(document, name, sample | {"data": data | {"surprise": 1}})
    assert problems(document, name, sample | {"surprise": 1})
    assert problems(document, name, sample | {"event": "order.unheard_of"})


@pytest.mark.django_db
def test_published_messages_match_the_schemas(document):
    in_two_days = timezone.now() + timedelta(days=2)
    check_out(cart_id=CartFactory().id, shipping_address=ADDRESS)
    CartFactory()
    assert abandon_idle_carts(now=in_two_days) == 1
    OrderFactory(status="delivered")
    OrderFactory(status="cancelled")
    published = EventRecord.objects.filter(sequence__isnull=False)
    assert {row.name for row in published if row.name.startswith("cart.")} == {
        name for name in SAMPLES if name.startswith("cart.")
    }
    assert {row.name for row in published if row.name.startswith("order.")} == {
        name for name in SAMPLES if name.startswith("order.")
    }
    for row in published:
        assert problems(document, row.name, json.loads(row.body)) == [], row.name
        assert row.stream.startswith(f"{registry[row.name].stream_type}_"), row.name
