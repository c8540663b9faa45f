"""The AsyncAPI 3.0 document, generated from the payload classes."""

import inspect
from pathlib import Path
from typing import Any

import msgspec

from config import __version__
from events.delivery.broker import exchange, listeners, routing_key
from events.delivery.publisher import APP_ID
from events.schema import Envelope, Event, is_published, registry

BINDING = "0.3.0"  # of AMQP 0-9-1
DESCRIPTION = """\
The state changes of carts, orders, payments, fulfillments, shipments, returns and invoices. Each
event is published at least once, and only after its transaction was committed.

- **Deduplicate** by the AMQP property `message_id`, which is the same for every delivery.
- **Order:** `x-stream` is the id of the order or cart, and `x-sequence` counts its events from 1
  without gaps. They arrive in that order. `timestamp` is when the event happened; it is not
  monotonic.
- **Routing:** every message has two routing keys, and a queue can bind either:
  `order.{entity}.{action}`, and the event's name in `CC`.
- **Money** is a number with exactly the decimals of its currency. Parse it as a decimal.
- **Keys are never omitted:** an unknown value is null.
"""
EXTENSION = """\
An extension event: it is published because this installation's configuration binds a queue to it.\
"""
HEADERS: dict[str, Any] = {
    "type": "object",
    "required": ["x-stream", "x-sequence", "x-version", "organization_id"],
    "properties": {
        "x-stream": {
            "type": "string",
            "description": "Order or cart: `order_…` or `cart_…`.",
        },
        "x-sequence": {
            "type": "integer",
            "minimum": 1,
            "description": "Counts the stream's events, without gaps.",
        },
        "x-version": {"type": "string", "description": "The event's version, as in the envelope."},
        "organization_id": {"type": "string", "description": "As in the envelope."},
        "traceparent": {
            "type": "string",
            "description": "W3C trace context of the request that caused the event, if any.",
        },
        "x-replay": {
            "type": "string",
            "description": "Id of the replay, on its messages only.",
        },
    },
}
PROPERTIES: dict[str, dict[str, Any]] = {
    "message_id": {
        "type": "string",
        "pattern": "^evt_",
        "description": "The event's id, the same for every delivery. Deduplicate by it.",
    },
    "type": {"type": "string", "description": "The event's name."},
    "app_id": {"const": APP_ID},
    "user_id": {
        "type": "string",
        "description": "The broker's user that published it, which the broker has verified. May be "
        "absent.",
    },
    "timestamp": {"type": "integer", "description": "When it happened, in POSIX seconds."},
}


def published() -> list[type[Event]]:
    """Return the published events by context: in the specification's order, then extensions."""
    return [cls for cls in registry.values() if is_published(cls)]


def sample(cls: type[Event]) -> str:
    """Return the example message of an event, an envelope with white space added."""
    path = Path(inspect.getfile(cls)).with_name("samples") / f"{cls.name}.json"
    return path.read_text(encoding="utf-8")


def envelope_schema(
    cls: type[Event], ref_template: str
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the JSON Schema of an event's body, and the schemas that it refers to by name."""
    envelope: Any = Envelope[cls]  # type: ignore[valid-type]
    (ref,), objects = msgspec.json.schema_components([envelope], ref_template=ref_template)
    objects = _with_numbers(objects)
    schema = objects.pop(ref["$ref"].rpartition("/")[2])
    schema |= {"title": cls.name, "description": "Exactly these five keys, in this order."}
    schema["properties"] |= {"event": {"const": cls.name}, "version": {"const": cls.version}}
    return schema, objects


def _with_numbers(schema: Any) -> Any:
    """Return the schema with Decimals as numbers; msgspec describes them as strings."""
    match schema:
        case {"format": "decimal", **rest}:
            return rest | {"type": "number"}
        case dict():
            return {key: _with_numbers(value) for key, value in schema.items()}
        case list():
            return [_with_numbers(value) for value in schema]
    return schema


def document() -> dict[str, Any]:
    """Return the AsyncAPI document. The samples in it are `msgspec.Raw`."""
    messages: dict[str, dict[str, Any]] = {}
    schemas: dict[str, dict[str, Any]] = {}
    for cls in published():
        payload, objects = envelope_schema(cls, "#/components/schemas/{name}")
        messages[cls.name] = _message(cls, payload)
        schemas |= objects
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Order Service", "version": __version__, "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {name: _channel(name) for name in messages},
        "operations": {f"send {name}": _operation(name) for name in messages},
        "components": {
            "messages": messages,
            "messageTraits": {
                "envelope": {
                    "contentType": "application/json",
                    "headers": HEADERS,
                    "correlationId": {
                        "location": "$message.header#/x-stream",
                        "description": "All events of one order, or of one cart.",
                    },
                    "x-amqp-properties": PROPERTIES,
                }
            },
            "schemas": schemas,
        },
    }


def _message(cls: type[Event], payload: dict[str, Any]) -> dict[str, Any]:
    summary = inspect.cleandoc(cls.__doc__ or "")
    queues = listeners(cls.name)
    bound = f"Queues: {', '.join(f'`{queue}`' for queue in queues) or 'none'}."
    if not cls.published:
        bound += f"\n\n{EXTENSION}"
    return {
        "name": cls.name,
        "title": cls.__name__,
        "summary": summary,
        "description": f"{summary}\n\nStream: the {cls.stream_type}. {bound}",
        "tags": [{"name": tag} for tag in _tags(cls)],
        "traits": [{"$ref": "#/components/messageTraits/envelope"}],
        "headers": {"properties": {"x-version": {"const": cls.version}}},
        "payload": payload,
        "bindings": {
            "amqp": {
                "contentEncoding": "utf-8",
                "messageType": cls.name,
                "bindingVersion": BINDING,
            }
        },
        "examples": [{"name": "sample", "payload": msgspec.Raw(sample(cls).encode())}],
        "x-consumers": queues,
    }


def _tags(cls: type[Event]) -> list[str]:
    entity = cls.name.partition(".")[0]
    return [entity] if cls.published else [entity, "extension"]


def _channel(name: str) -> dict[str, Any]:
    target = exchange()
    return {
        "address": routing_key(name),
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {
                    "name": target.name,
                    "type": target.type,
                    "durable": target.durable,
                    "autoDelete": target.auto_delete,
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _operation(name: str) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{name}"},
        "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
        "bindings": {
            "amqp": {
                "cc": [name],
                "deliveryMode": 2,
                "timestamp": True,
                "bindingVersion": BINDING,
            }
        },
    }
