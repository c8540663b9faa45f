from datetime import datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest

from carts.events import CartAbandoned
from events import schema
from events.schema import Event, InvalidEvent, event, parse, render
from tests.events.sample_events import NOON, added, created


def text(event: Event) -> str:
    return render(event, organization_id="org_1", at=NOON)


@pytest.fixture
def declare(monkeypatch):
    """Return the decorator `event`, with a registry for this test only."""
    monkeypatch.setattr(schema, "registry", dict(schema.registry))
    monkeypatch.setattr(schema, "_decoders", dict(schema._decoders))
    return event


def test_the_envelope_is_rendered_as_json():
    assert text(added(2)) == (
        '{"event":"cart.item_added","version":"1.0","timestamp":"2025-11-23T12:00:00Z",'
        '"organization_id":"org_1",'
        '"data":{"cart_id":"cart_1","variant_id":"var_1","quantity":2,"unit_price":125.50}}'
    )


def test_the_envelope_carries_the_version_of_its_event(declare):
    @declare("test.second", version="2.1")
    class Second(Event):
        pass

    assert text(Second()).startswith('{"event":"test.second","version":"2.1",')


@pytest.mark.parametrize(
    ("amount", "written"),
    [("125.50", "125.50"), ("0.00", "0.00"), ("1300", "1300"), ("1.500", "1.500"), ("1E+2", "100")],
)
def test_money_is_a_number_with_all_its_decimals(amount, written):
    assert text(added(unit_price=amount)).endswith(f'"unit_price":{written}}}}}')


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_an_amount_that_is_not_finite_is_refused(value):
    with pytest.raises(InvalidEvent, match="unit_price"):
        added(unit_price=Decimal(value))


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": 0},
        {"quantity": "2"},
        {"quantity": True},
        {"quantity": Decimal("1.5")},
        {"variant_id": None},
        {"variant_id": ""},
        {"variant_id": "v" * 65},
        {"variant_id": 7},
    ],
)
def test_an_invalid_value_is_refused(changes):
    with pytest.raises(InvalidEvent, match=r"cart\.item_added"):
        text(msgspec.structs.replace(added(), **changes))


def test_a_float_is_refused():
    with pytest.raises(InvalidEvent, match="float"):
        msgspec.structs.replace(added(), unit_price=0.1 + 0.2)


def test_an_unknown_or_missing_key_is_refused():
    with pytest.raises(TypeError):
        created(colour="red")
    with pytest.raises(TypeError):
        type(created())(cart_id="cart_1")
    with pytest.raises(msgspec.ValidationError):
        parse("cart.created", text(created()).replace('"data":{', '"data":{"colour":"red",'))


def abandoned(at: datetime) -> CartAbandoned:
    return CartAbandoned(
        cart_id="cart_1",
        customer_id=None,
        items_count=1,
        total_value=Decimal("1.00"),
        abandoned_at=at,
        last_activity_at=NOON,
    )


def test_timestamps_are_utc_and_whole_seconds():
    lima = timezone(timedelta(hours=-5))
    event = abandoned(datetime(2025, 11, 23, 7, 0, 0, 999_999, lima))
    assert '"abandoned_at":"2025-11-23T12:00:00Z"' in text(event)
    assert event.happened_at == NOON
    assert added().happened_at is None


def test_a_timestamp_without_a_zone_is_refused():
    with pytest.raises(InvalidEvent, match="abandoned_at has no time zone"):
        abandoned(datetime(2025, 11, 23))


def test_a_body_has_at_most_256_kib(declare):
    @declare("test.long")
    class Long(Event):
        text: str

    frame = len(text(Long(text="")))
    assert len(text(Long(text="x" * (256 * 1024 - frame)))) == 256 * 1024
    with pytest.raises(InvalidEvent, match="262145 bytes"):
        text(Long(text="x" * (256 * 1024 - frame + 1)))


def test_only_registered_events_are_rendered(declare):
    class Unregistered(Event):
        pass

    class Impostor(type(created())):
        """A subclass inherits the name."""

    with pytest.raises(InvalidEvent, match="Unregistered is not a registered event"):
        text(Unregistered())
    with pytest.raises(InvalidEvent, match="Impostor"):
        text(Impostor(**msgspec.structs.asdict(created())))
    with pytest.raises(ValueError, match="declared twice"):
        declare("cart.created")(Unregistered)


def test_a_rendered_event_can_be_parsed():
    assert parse("cart.item_added", text(added(3))) == added(3)
    assert str(parse("cart.item_added", text(added(unit_price="1.50"))).unit_price) == "1.50"
