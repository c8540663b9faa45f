"""Fields of the API for what a client stores with a cart, an order or a line."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.serializers import ExternalId, StrictSerializer
from config.core.client_data import (
    CLIENT_DATA,
    MAX_ENTRIES,
    MAX_KEY,
    MAX_NOTE,
    MAX_VALUE,
)

KEY = rf"^[^:\u0000-\u001f\u007f-\u009f]{{1,{MAX_KEY}}}$"


@extend_schema_field(
    {
        "type": "object",
        "maxProperties": MAX_ENTRIES,
        "propertyNames": {"pattern": KEY},
        "additionalProperties": {"type": "string", "maxLength": MAX_VALUE},
    }
)
class Metadata(serializers.Field[Any, Any, Any, Any]):
    """Texts by their names: the engraving of a ring, the text of a gift card."""

    default_error_messages = {
        "invalid": "Send an object whose values are text.",
        "entries": f"At most {MAX_ENTRIES} entries are accepted.",
        "key": f"A key has 1 to {MAX_KEY} printable characters, and no colon: “{{name}}”.",
        "value": f"The value of “{{name}}” must be a text of at most {MAX_VALUE} characters.",
    }

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict):
            self.fail("invalid")
        if len(data) > MAX_ENTRIES:
            self.fail("entries")
        for key, value in data.items():
            if not (1 <= len(key) <= MAX_KEY and key.isprintable() and ":" not in key):
                self.fail("key", name=key[: MAX_KEY + 1])
            if not _is_storable(value):
                self.fail("value", name=key)
        return dict(data)

    def to_representation(self, value: Any) -> Any:
        return value


def _is_storable(value: object) -> bool:
    """Return whether it is a text that fits, and that PostgreSQL stores."""
    if not isinstance(value, str) or len(value) > MAX_VALUE or "\x00" in value:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


class InternalNote(serializers.CharField):
    """A note that the customer does not see: null for a token that is bound to a customer."""

    def __init__(self) -> None:
        super().__init__(
            read_only=True, allow_null=True, help_text="Null for the token of a customer."
        )

    def get_attribute(self, instance: Any) -> Any:
        return None if self.context["view"].caller.is_bound else super().get_attribute(instance)


class _ClientData(serializers.Serializer[Any]):
    """Its fields come after those of the serializer that inherits them."""

    def get_fields(self) -> Any:
        fields = super().get_fields()
        return fields | {name: fields.pop(name) for name in CLIENT_DATA}


class ClientDataCreate(_ClientData, StrictSerializer):
    """Metadata, a reference and notes."""

    metadata = Metadata(
        required=False,
        help_text=f"Up to {MAX_ENTRIES} texts by their names, such as an engraving. A key has up "
        f"to {MAX_KEY} characters, and no colon; a value has up to {MAX_VALUE}.",
    )
    external_reference = ExternalId(
        required=False, allow_null=True, help_text="The id in your own system."
    )
    customer_note = serializers.CharField(
        max_length=MAX_NOTE, required=False, allow_null=True, help_text="The customer sees it."
    )
    internal_note = serializers.CharField(
        max_length=MAX_NOTE,
        required=False,
        allow_null=True,
        help_text="The customer does not see it.",
    )


class ClientData(_ClientData):
    """Metadata, a reference and notes, as they are shown."""

    metadata = Metadata(read_only=True)
    external_reference = serializers.CharField(allow_null=True)
    customer_note = serializers.CharField(allow_null=True)
    internal_note = InternalNote()


class PurchaseOrderNumber(ExternalId):
    """The number of the buyer's own order."""

    def __init__(self) -> None:
        help_text = "The number of the buyer's own order, which the invoice prints."
        super().__init__(required=False, allow_null=True, help_text=help_text)
