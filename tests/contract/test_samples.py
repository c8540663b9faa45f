"""The payload classes say exactly what the contract's 29 samples say, key by key."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from events import schema

SAMPLES = {path.stem: path for path in sorted(Path(__file__).parent.glob("samples/*.json"))}


def read(name: str) -> Any:
    return json.loads(SAMPLES[name].read_text())


def shape(value: Any) -> Any:
    """Keys in their order, all the way down; of lists, what the first entry looks like."""
    if isinstance(value, dict):
        return [(key, shape(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return None


def test_the_catalogue_is_the_29_events():
    published = {name for name, cls in schema.registry.items() if cls.published}
    assert published == set(SAMPLES)
    assert len(published) == 29


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_rendered_as_it_stands(name):
    """Decoded into our class and rendered again, it keeps its keys, their order and values."""
    sample = read(name)
    fact = msgspec.json.decode(json.dumps(sample["data"]), type=schema.registry[name])
    rendered = json.loads(schema.render(fact, organization_id="org_123", at=datetime.now(UTC)))
    assert list(rendered) == ["event", "version", "timestamp", "organization_id", "data"]
    assert shape(rendered["data"]) == shape(sample["data"])
    assert rendered["data"] == sample["data"]
    assert rendered["event"] == sample["event"] == name


@pytest.mark.parametrize("name", [n for n in SAMPLES if "version" in read(n)])
def test_a_sample_that_shows_the_whole_envelope_is_reproduced(name):
    sample = read(name)
    fact = msgspec.json.decode(json.dumps(sample["data"]), type=schema.registry[name])
    at = msgspec.convert(sample["timestamp"], schema.Timestamp)
    rendered = schema.render(fact, organization_id=sample["organization_id"], at=at)
    assert list(json.loads(rendered).items()) == list(sample.items())


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_a_payload_with_a_key_too_few_or_too_many_is_refused(name, change):
    data = read(name)["data"]
    if change == "missing":
        data.popitem()
    else:
        data["surprise"] = 1
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(data), type=schema.registry[name])


def test_money_is_written_with_the_sample_s_digits():
    """`125.50` in the sample's text stays `125.50` in ours."""
    text = SAMPLES["payment.succeeded"].read_text()
    raw = msgspec.json.decode(text, type=dict[str, msgspec.Raw])["data"]
    fact = msgspec.json.decode(raw, type=schema.registry["payment.succeeded"])
    assert '"amount":125.50' in schema.render(fact, organization_id="o", at=fact.happened_at)
