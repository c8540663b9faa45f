"""Typed facts: what an event may say, and the bytes in which it says it."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Meta

from config.core.exceptions import DomainError

MAX_BODY = 256 * 1024  # bytes; a broker and its consumers must be able to hold many of them

Id = Annotated[str, Meta(title="id", min_length=1, max_length=64)]
Timestamp = Annotated[datetime, Meta(tz=True)]
Quantity = Annotated[int, Meta(ge=1)]
Money = Annotated[
    Decimal, Meta(title="money", description="With exactly the decimals of its currency.")
]
Kilograms = Annotated[Decimal, Meta(title="kilograms", description="Without trailing zeros.")]


class InvalidEvent(DomainError):
    """A fact that must not reach the log: a wrong value, or too many of them."""

    code = "invalid_event"


class Payload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON object of an event. Timestamps become UTC with whole seconds, numbers stay plain."""

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


class Event(Payload, frozen=True, kw_only=True):
    """Base of all facts. A subclass is the event's `data`: its fields are the keys, in order.

    `stream_type` is `order`, unless a context has streams of its own.
    """

    stream_type: ClassVar[str] = "order"
    name: ClassVar[str]
    version: ClassVar[str]
    published: ClassVar[bool]
    moment: ClassVar[str | None]

    @property
    def happened_at(self) -> datetime | None:
        """The moment of the fact where its data has one."""
        return getattr(self, self.moment) if self.moment else None


E = TypeVar("E", bound=Event)


class Envelope(msgspec.Struct, Generic[E], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What travels: exactly these five keys, in this order."""

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

    `moment` names the field that holds when the fact happened. A fact with `published=False` is
    kept in the log and reacted to, and never sent.
    """

    def register(cls: type[E]) -> type[E]:
        if name in registry:
            raise ValueError(f"The event {name} is declared twice.")
        cls.name, cls.version, cls.moment, cls.published = name, version, moment, published
        registry[name] = cls
        _decoders[name] = msgspec.json.Decoder(Envelope[cls])  # type: ignore[valid-type]
        return cls

    return register


def render(fact: Event, *, organization_id: str, at: datetime) -> str:
    """Return the envelope as the exact text that goes out.

    Raises InvalidEvent for an unregistered class, a wrong value, or a body over 256 KiB.
    """
    if registry.get(getattr(fact, "name", "")) is not type(fact):
        raise InvalidEvent(f"{type(fact).__name__} is not a registered event.")
    body = _encoder.encode(
        Envelope(
            event=fact.name,
            version=fact.version,
            timestamp=whole_seconds(at),
            organization_id=organization_id,
            data=fact,
        )
    )
    if len(body) > MAX_BODY:
        raise InvalidEvent(f"{fact.name} would have {len(body)} bytes; the most is {MAX_BODY}.")
    try:
        _decoders[fact.name].decode(body)
    except msgspec.ValidationError as error:
        raise InvalidEvent(f"{fact.name}: {error}") from error
    return body.decode()


def parse(name: str, body: str) -> Event:
    """Return the typed payload of a rendered envelope."""
    envelope: Envelope[Event] = _decoders[name].decode(body)
    return envelope.data


def whole_seconds(moment: datetime) -> datetime:
    """Events speak UTC and whole seconds."""
    return moment.astimezone(UTC).replace(microsecond=0)
