"""The payload classes render the 29 samples of the contract to the byte."""

import json
from pathlib import Path

import msgspec
import pytest
from django.conf import settings

from events import schema

FILES = {
    path.stem: path.read_text()
    for folder in ("*/samples", "*/*/samples")
    for path in sorted(Path(settings.BASE_DIR).glob(f"{folder}/*.json"))
}
SAMPLES = {name: text for name, text in FILES.items() if schema.registry[name].published}
EXTENSIONS = {name: text for name, text in FILES.items() if name not in SAMPLES}


def test_the_catalogue_is_the_29_events():
    published = {name for name, cls in schema.registry.items() if cls.published}
    assert published == set(SAMPLES)
    assert len(published) == 29


def test_every_internal_event_has_a_sample_because_a_queue_can_name_it():
    assert schema.registry.keys() - set(SAMPLES) == set(EXTENSIONS)


@pytest.mark.parametrize("name", FILES)
def test_a_sample_is_rendered_unchanged(name):
    """A sample that is decoded and rendered keeps its keys, their order and every digit."""
    envelope = msgspec.json.decode(FILES[name], type=schema.Envelope[schema.registry[name]])
    rendered = schema.render(
        envelope.data, organization_id=envelope.organization_id, at=envelope.timestamp
    )
    assert rendered == msgspec.json.format(FILES[name], indent=-1)


@pytest.mark.parametrize("name", FILES)
def test_an_envelope_has_five_keys_and_the_moment_of_its_event(name):
    sample = json.loads(FILES[name])
    assert list(sample) == ["event", "version", "timestamp", "organization_id", "data"]
    assert sample["event"] == name
    if moment := schema.registry[name].moment:
        assert sample["timestamp"] == sample["data"][moment]


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_a_payload_with_a_missing_or_unknown_key_is_refused(name, change):
    sample = json.loads(SAMPLES[name])
    if change == "missing":
        sample["data"].popitem()
    else:
        sample["data"]["surprise"] = 1
    with pytest.raises(msgspec.ValidationError):
        schema.parse(name, json.dumps(sample))
