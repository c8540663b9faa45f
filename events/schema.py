"""Typed events: their payloads, the registry of their names, and their JSON."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar, get_args, get_type_hints

import msgspec
from django.conf import settings
from django.db.models import Model
from msgspec import Meta

from config.core.exceptions import DomainError
from config.core.money import money

MAX_BODY = 256 * 1024  # bytes; the broker and consumers hold many bodies in memory

Id = Annotated[str, Meta(title="id", min_length=1, max_length=64)]
Timestamp = Annotated[datetime, Meta(tz=True)]
Quantity = Annotated[int, Meta(ge=1)]
MONEY = Meta(title="money", description="With exactly the decimals of its currency.")
Money = Annotated[Decimal, MONEY]
UnitPrice = Annotated[
    Decimal,
    Meta(
        title="unit price",
        description="As the cart states it: with the decimals of its currency, or as many more as "
        "it needs.",
    ),
]
# Text that may name a person: an erasure replaces it by null, or by "" if it is never null.
PERSONAL = Meta(extra={"is_personal": True})
Personal = Annotated[str, PERSONAL]
Kilograms = Annotated[Decimal, Meta(title="kilograms", description="Without trailing zeros.")]


class InvalidEvent(DomainError):
    """An event has a value of the wrong type or range, or its body is too large."""

    code = "invalid_event"


class Payload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON object within an event.

    Timestamps are converted to UTC and whole seconds. Decimals lose their exponent. `CODES` are
    values of personal text that the service itself gives, so an erasure leaves them.
    """

    CODES: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            value = getattr(self, field)
            if isinstance(value, datetime):
                if value.tzinfo is None:
                    raise InvalidEvent(f"{type(self).__name__}.{field} has no time zone.")
                msgspec.structs.force_setattr(self, field, whole_seconds(value))
            elif isinstance(value, Decimal):
                if not value.is_finite():
                    raise InvalidEvent(f"{type(self).__name__}.{field} is {value}.")
                msgspec.structs.force_setattr(self, field, Decimal(f"{value:f}"))
            elif isinstance(value, float):
                raise InvalidEvent(f"{type(self).__name__}.{field} must be a Decimal, not a float.")

    @classmethod
    def of(cls, source: Model, **values: Any) -> Self:
        """Fill the fields from the attributes of `source` with the same names.

        `<model>_id` is the id of the source. `values` are fields that have no such attribute.
        Money is rounded to the decimals of the source's currency.
        """
        own_id = f"{source._meta.model_name}_id"
        for field in cls.__struct_fields__:
            if field not in values:
                values[field] = source.pk if field == own_id else getattr(source, field)
        for field in _money_fields(cls):
            if (amount := values[field]) is not None:
                values[field] = money(amount, source.currency)  # type: ignore[attr-defined]
        return cls(**values)


@cache
def _hints(cls: type[Payload]) -> dict[str, Any]:
    hints = get_type_hints(cls, include_extras=True)
    return {field: hints[field] for field in cls.__struct_fields__}


@cache
def _money_fields(cls: type[Payload]) -> list[str]:
    return [field for field, hint in _hints(cls).items() if _has(MONEY, hint)]


def _has(mark: Any, hint: Any) -> bool:
    """Whether a type is the mark or is annotated with it, or a part of the type is."""
    metadata = getattr(hint, "__metadata__", ())
    return hint is mark or mark in metadata or any(_has(mark, arg) for arg in get_args(hint))


class Event(Payload, frozen=True, kw_only=True):
    """Base class of all events. A subclass declares the event's `data`: its keys, in this order.

    `stream_type` is what the event's stream belongs to: an order, or a cart.
    """

    stream_type: ClassVar[str] = "order"
    name: ClassVar[str]
    version: ClassVar[str]
    published: ClassVar[bool]  # to every installation; see also `is_published`
    moment: ClassVar[str | None]

    @property
    def happened_at(self) -> datetime | None:
        """When the event happened, if its data contains the time."""
        return getattr(self, self.moment) if self.moment else None


E = TypeVar("E", bound=Event)


class Envelope(msgspec.Struct, Generic[E], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a message: exactly these five keys, in this order."""

    event: str
    version: str
    timestamp: Timestamp
    organization_id: Id
    data: E


registry: dict[str, type[Event]] = {}
_decoders: dict[str, msgspec.json.Decoder[Any]] = {}
_encoder = msgspec.json.Encoder(decimal_format="number")


def event(
    name: str, *, version: str = "1.0", moment: str | None = None, published: bool = True
) -> Callable[[type[E]], type[E]]:
    """Register a payload class under the event's name.

    `version` is the version of this payload. `moment` names the field that says when the event
    happened. `published=False` declares an internal event: it is in the log and contexts react to
    it, but it is sent to the broker only if a consumer's queue names it: see `is_published`.
    """

    def register(cls: type[E]) -> type[E]:
        if name in registry:
            raise ValueError(f"The event {name} is declared twice.")
        cls.name, cls.version, cls.moment, cls.published = name, version, moment, published
        registry[name] = cls
        _decoders[name] = msgspec.json.Decoder(Envelope[cls])  # type: ignore[valid-type]
        return cls

    return register


def is_published(event: Event | type[Event]) -> bool:
    """Return whether the event is sent to the broker.

    An internal event is sent if a queue in EVENTS_CONSUMER_QUEUES or EVENTS_ORGANIZATION_QUEUES
    names it: an extension event.
    """
    own = (queue["events"] for queue in settings.EVENTS_ORGANIZATION_QUEUES.values())
    named = (*settings.EVENTS_CONSUMER_QUEUES.values(), *own)
    return event.published or any(event.name in names for names in named)


def render(event: Event, *, organization_id: str, at: datetime) -> str:
    """Return the envelope as the exact text of the message's body.

    Raises InvalidEvent for an unregistered class, a wrong value, or a body over 256 KiB.
    """
    if registry.get(getattr(event, "name", "")) is not type(event):
        raise InvalidEvent(f"{type(event).__name__} is not a registered event.")
    body = _encoder.encode(
        Envelope(
            event=event.name,
            version=event.version,
            timestamp=whole_seconds(at),
            organization_id=organization_id,
            data=event,
        )
    )
    if len(body) > MAX_BODY:
        raise InvalidEvent(f"{event.name} has {len(body)} bytes; the limit is {MAX_BODY}.")
    try:
        _decoders[event.name].decode(body)
    except msgspec.ValidationError as error:
        raise InvalidEvent(f"{event.name}: {error}") from error
    return body.decode()


def parse(name: str, body: str) -> Event:
    """Return the typed payload of an envelope that `render` returned."""
    envelope: Envelope[Event] = _decoders[name].decode(body)
    return envelope.data


def has_personal_data(cls: type[Payload]) -> bool:
    """Return whether a payload, or one that it contains, has text that may name a person."""
    return any(_has(PERSONAL, hint) or _contains(hint) for hint in _hints(cls).values())


def _contains(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, Payload):
        return has_personal_data(hint)
    return any(map(_contains, get_args(hint)))


def erase(name: str, body: str) -> str:
    """Return an envelope that `render` returned, without text that may name a person."""
    envelope: Envelope[Event] = _decoders[name].decode(body)
    data = _erased(envelope.data)
    return _encoder.encode(msgspec.structs.replace(envelope, data=data)).decode()


def _erased(payload: Any) -> Any:
    values: dict[str, Any] = {}
    cls: type[Payload] = type(payload)
    for field, hint in _hints(cls).items():
        value = getattr(payload, field)
        if _has(PERSONAL, hint) and value not in payload.CODES:
            values[field] = None if _has(type(None), hint) else ""
        elif isinstance(value, list):
            values[field] = [_erased(each) if isinstance(each, Payload) else each for each in value]
    return msgspec.structs.replace(payload, **values)


def whole_seconds(moment: datetime) -> datetime:
    """Return the moment in UTC, without fractions of a second, as events carry it."""
    return moment.astimezone(UTC).replace(microsecond=0)
