"""Fields and base classes of the contexts' serializers."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from inspect import cleandoc
from itertools import islice
from typing import Any, ClassVar

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, Q, QuerySet, TextChoices
from drf_spectacular.drainage import set_override
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty, get_attribute

from config.core import countries, money
from config.core.mail import validate_address
from config.core.unit_of_work import is_begun

# RFC 3339. `fromisoformat` also reads weeks, dates without hyphens, and the digits of all scripts.
DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
MOMENT = DAY + r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
FRACTION = r"[0-9]{1,20}\.(?!0+\Z)[0-9]{1,20}"
MAX_QUANTITY = 1_000_000  # of a line
MAX_UNKNOWN = 20  # fields that an error names; a body may have a hundred thousand


class StrictSerializer(serializers.Serializer[Any]):
    """A misspelt optional field is refused: silently ignored, it would do harm later.

    So is, in a body of JSON, a value of another type: `0` is no title, and `"yes"` not true.
    """

    def to_internal_value(self, data: Any) -> Any:
        is_json = self.context.get("is_json")
        errors: dict[str, Any] = {}
        if isinstance(data, Mapping):
            fields = {str(field.field_name): field for field in self._writable_fields}
            unknown = (str(name) for name in data if name not in fields)
            errors = {name: ["Unknown field."] for name in islice(unknown, MAX_UNKNOWN)}
            for name, field in fields.items():
                value = data.get(name) if is_json else None
                if value is not None and not _is_of_type(field, value):
                    errors[name] = [field.error_messages["invalid"]]
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**error.detail, **errors}) from error  # type: ignore[dict-item]
        if errors:
            raise serializers.ValidationError(errors)
        return value


def _is_of_type(field: serializers.Field[Any, Any, Any, Any], value: object) -> bool:
    match field:
        case serializers.BooleanField():
            return isinstance(value, bool)
        case serializers.IntegerField():
            return isinstance(value, int | float) and not isinstance(value, bool)
        case serializers.CharField():
            return isinstance(value, str)
    return True


@cache
def without(serializer: type[Any], fields: tuple[str, ...]) -> type[Any]:
    """Return the serializer without some of its fields."""
    return type(serializer.__name__, (serializer,), dict.fromkeys(fields))


@cache
def summary_of(serializer: type[Any], fields: tuple[str, ...]) -> type[Any]:
    """Return the serializer for the OpenAPI document, where lists may leave out these fields."""

    class Summary(serializer):  # type: ignore[misc]
        def get_fields(self) -> Any:
            found = super().get_fields()
            for name in fields:
                found[name].required = False
            return found

    names = " and ".join(f"`{name}`" for name in fields)
    Summary.__doc__ = f"A row of a list: it has {names} only with `expand={fields[0]}`."
    Summary.__name__ = f"{serializer.__name__}Summary"
    return Summary


class Body(StrictSerializer):
    """A request body. Beside its fields, the caller may send an `actor`."""

    example: ClassVar[dict[str, Any]] = {}


class ActionRequest(Body):
    """The body of an action that has no fields of its own; it may be `{}`."""


# What a pattern can say of it: other characters that cannot be printed are refused too.
PRINTABLE = r"^[^\u0000-\u001f\u007f-\u009f]*$"


@extend_schema_field({"type": "string", "pattern": PRINTABLE})
class ExternalId(serializers.CharField):
    """An id of another service, taken as it comes, if it can be stored and printed."""

    default_error_messages = {"unprintable": "Only printable characters are accepted."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 64, "trim_whitespace": False, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        value = super().to_internal_value(data)
        if not value.isprintable():
            self.fail("unprintable")
        return value


class OwnId(ExternalId):
    """The id of one of the caller's own rows, on which the request builds.

    With `get_for_update`, the command works on this row: in a unit of work it is locked here.
    """

    default_error_messages = {"unknown": "There is no {what} {id}."}

    def __init__(
        self,
        rows: Callable[[], QuerySet[Any]],
        *,
        get_for_update: Callable[[str, Q], Model] | None = None,
        **kwargs: Any,
    ) -> None:
        self.rows, self.get_for_update = rows, get_for_update
        super().__init__(**kwargs)

    def run_validation(self, data: Any = empty) -> Any:
        """Look it up last: not every text may be part of a query."""
        value = super().run_validation(data)
        rows, view = self.rows(), self.context["view"]
        if value and not self._find(rows, value, view):
            self.fail("unknown", what=rows.model._meta.verbose_name, id=value)
        return value

    def _find(self, rows: QuerySet[Any], value: str, view: Any) -> bool:
        if self.get_for_update is None or not is_begun():
            return bool(view.visible(rows).filter(pk=value).exists())
        try:
            self.get_for_update(value, view.visible_of(rows.model))
        except ObjectDoesNotExist:
            return False
        return True


class Quantity(serializers.IntegerField):
    """Units, as many as a line may have."""

    default_error_messages = {
        "fractional": "Fractional quantities are not supported: sell in a smaller unit, such as "
        "grams or centimeters."
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 1, "max_value": MAX_QUANTITY, **kwargs})

    def to_internal_value(self, data: Any) -> int:
        if re.fullmatch(FRACTION, str(data)):
            self.fail("fractional")
        return super().to_internal_value(data)


class ItemQuantity(StrictSerializer):
    """A quantity of an order item."""

    order_item_id = ExternalId()
    quantity = Quantity()


class ItemList(serializers.ListField):
    """A list that is refused because of its length before its items are looked at.

    A body may have hundreds of thousands of items, which take minutes.
    """

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, list) and self.max_length and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


class ItemQuantities(ItemList):
    """Quantities by order item, as `units`; those of an item listed twice are added up."""

    child = ItemQuantity()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(source="units", min_length=1, max_length=500, **kwargs)

    def run_validation(self, data: Any = empty) -> dict[str, int]:
        units = Counter[str]()
        for item in super().run_validation(data):
            units[item["order_item_id"]] += item["quantity"]
        return dict(units)


class Moment(serializers.DateTimeField):
    """A time with its offset, as RFC 3339 writes it: `2025-11-25T08:20:00Z`. Returned in UTC."""

    default_error_messages = {"format": "Write a time with its offset: 2025-11-25T08:20:00Z."}

    def to_internal_value(self, value: Any) -> datetime:
        if self.context.get("is_json") and not re.fullmatch(MOMENT, str(value)):
            self.fail("format")
        try:
            return super().to_internal_value(value).astimezone(UTC)
        except OverflowError:
            self.fail("overflow")


class Day(serializers.DateField):
    """A date as RFC 3339 writes it: `2025-11-25`."""

    default_error_messages = {"format": "Write a date as 2025-11-25."}

    def to_internal_value(self, value: Any) -> date:
        if not re.fullmatch(DAY, str(value)):
            self.fail("format")
        return super().to_internal_value(value)


class PlainDecimal(serializers.DecimalField):
    """A decimal of 0 or more, as text or as a number; shown as text. `"1e3"` is refused."""

    pattern: ClassVar[str]
    largest: ClassVar[int]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=Decimal(0), max_value=Decimal(self.largest), **kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, str) and not re.fullmatch(self.pattern, data):
            self.fail("invalid")
        return super().to_internal_value(data) + 0  # "-0" is 0

    def to_representation(self, value: Any) -> str:
        return f"{value.normalize():f}"


class TaxRate(PlainDecimal):
    """A fraction of the net amount: `"0.16"` is 16 %."""

    largest = 1
    pattern = r"^(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$"

    def __init__(self, **kwargs: Any) -> None:
        kwargs = {"help_text": "A fraction: `0.16` is 16 %.", **kwargs}
        super().__init__(max_digits=7, decimal_places=6, **kwargs)


@extend_schema_field({"type": "string", "enum": money.CURRENCIES}, component_name="Currency")
class CurrencyCode(serializers.CharField):
    """An ISO 4217 code: `USD`."""

    default_error_messages = {"currency": "“{code}” is not a currency code of ISO 4217."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        code = super().to_internal_value(data)
        try:
            money.decimals(code)
        except ValueError:
            self.fail("currency", code=code)
        return code


class MoneyIn(PlainDecimal):
    """An amount of 0 or more in the currency that the request or the order names."""

    largest = 10**11 - 1
    pattern = r"^[0-9]{1,11}(\.[0-9]{1,4})?$"

    def __init__(self, **kwargs: Any) -> None:
        digits, decimals = money.MAX_DIGITS, money.MAX_DECIMALS
        super().__init__(max_digits=digits, decimal_places=decimals, **kwargs)


class UnitPriceIn(PlainDecimal):
    """A price of one unit, with up to six decimals."""

    largest = 10**11 - 1
    pattern = r"^[0-9]{1,11}(\.[0-9]{1,6})?$"

    def __init__(self, **kwargs: Any) -> None:
        digits = money.MAX_DIGITS - money.MAX_DECIMALS + money.MAX_PRICE_DECIMALS
        super().__init__(max_digits=digits, decimal_places=money.MAX_PRICE_DECIMALS, **kwargs)


@extend_schema_field({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"})
class MoneyOut(serializers.CharField):
    """An amount as text with its currency's decimals: `"125.50"`, `"1300"` for JPY.

    `currency` is the path from the object that has the amount to its currency.
    """

    def __init__(self, *, currency: str = "currency", **kwargs: Any) -> None:
        self.currency = currency
        super().__init__(read_only=True, **kwargs)

    def get_attribute(self, instance: Any) -> str | None:
        amount: Any = super().get_attribute(instance)
        if amount is None:
            return None
        return self.text(amount, get_attribute(instance, self.currency.split(".")))

    def text(self, amount: Decimal, currency: str) -> str:
        """Return the amount as it is shown."""
        return str(money.money(amount, currency))


class UnitPriceOut(MoneyOut):
    """A price of one unit: it has more decimals than its currency if it needs them."""

    def text(self, amount: Decimal, currency: str) -> str:
        return str(money.unit_price(amount, currency))


class Choice(serializers.ChoiceField):
    """One of a closed set, which has a name of its own in the schema.

    A docstring of `choices` explains the values.
    """

    def __init__(self, choices: type[TextChoices], name: str, **kwargs: Any) -> None:
        super().__init__(choices.choices, **kwargs)
        schema: dict[str, Any] = {"type": "string", "enum": choices.values}
        if doc := vars(choices).get("__doc__"):
            schema["description"] = cleandoc(doc)
        set_override(self, "field", schema)
        set_override(self, "field_component_name", name)


@extend_schema_field({"type": "string", "pattern": "^[A-Z]{2}$"})
class CountryCode(serializers.CharField):
    """A country of ISO 3166-1, in two upper-case letters: `GB`. `XK` is Kosovo."""

    def __init__(self, **kwargs: Any) -> None:
        help_text = "A country of ISO 3166-1: `GB`, not `UK`. `XK` is Kosovo."
        super().__init__(trim_whitespace=False, help_text=help_text, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        code = super().to_internal_value(data)
        if objection := countries.objection(code):
            raise serializers.ValidationError(objection)
        return code


@extend_schema_field({"type": "string", "format": "idn-email", "maxLength": 254})
class EmailAddress(serializers.CharField):
    """An e-mail address, also with letters beyond ASCII: `josé@bücher.example`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=254, validators=[validate_address], **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Compose the letters and their accents, so that equal addresses are the same text."""
        return unicodedata.normalize("NFC", super().to_internal_value(data))


class Address(StrictSerializer):
    """Where a parcel or an invoice goes: to a person, a company, or a person at a company."""

    example: ClassVar[dict[str, Any]] = {
        "name": "Ana Torres",
        "line1": "Calle de la Luna 12",
        "city": "Puebla",
        "postal_code": "72000",
        "country": "MX",
    }
    name = serializers.CharField(
        max_length=200,
        required=False,
        allow_blank=True,
        help_text="Of the person. Required without a `company`.",
    )
    company = serializers.CharField(max_length=200, required=False, allow_blank=True)
    line1 = serializers.CharField(max_length=200)
    line2 = serializers.CharField(max_length=200, required=False, allow_blank=True)
    city = serializers.CharField(max_length=100)
    region = serializers.CharField(max_length=100, required=False, allow_blank=True)
    postal_code = serializers.CharField(max_length=20, required=False, allow_blank=True)
    country = CountryCode()
    phone = serializers.CharField(max_length=40, required=False, allow_blank=True)
    tax_id = serializers.CharField(max_length=40, required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not (attrs.get("name") or attrs.get("company")):
            raise serializers.ValidationError({"name": "Give a name or a company."})
        return attrs


class Package(serializers.Serializer[Any]):
    """A package: its weight in kilograms and, if known, its size in centimeters."""

    weight = serializers.CharField()
    length = serializers.CharField(default=None, allow_null=True)
    width = serializers.CharField(default=None, allow_null=True)
    height = serializers.CharField(default=None, allow_null=True)
