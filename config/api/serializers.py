"""The fields that all contexts speak in."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.fields import empty, get_attribute

from events import money


class StrictSerializer(serializers.Serializer[Any]):
    """A misspelt optional field is refused: silently ignored, it would do harm later."""

    def to_internal_value(self, data: Any) -> Any:
        errors: dict[str, Any] = {}
        if isinstance(data, Mapping):
            known = {field.field_name for field in self._writable_fields}
            errors = {str(name): ["Unknown field."] for name in data if name not in known}
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**error.detail, **errors}) from error  # type: ignore[dict-item]
        if errors:
            raise serializers.ValidationError(errors)
        return value


class ExternalId(serializers.CharField):
    """An id of another service, taken as it comes, if it can be stored and printed."""

    default_error_messages = {"unprintable": "Only printable characters are accepted."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 64, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if not value.isprintable():
            self.fail("unprintable")
        return value


class OwnId(ExternalId):
    """The id of one of the caller's own rows, on which the request builds."""

    default_error_messages = {"unknown": "There is no {what} {id}."}

    def __init__(self, rows: Callable[[], QuerySet[Any]], **kwargs: Any) -> None:
        self.rows = rows
        super().__init__(**kwargs)

    def run_validation(self, data: Any = empty) -> Any:
        """Look it up last: not every text may be part of a query."""
        value = super().run_validation(data)
        rows = self.rows()
        if value and not self.context["view"].visible(rows).filter(pk=value).exists():
            self.fail("unknown", what=rows.model._meta.verbose_name, id=value)
        return value


class Quantity(serializers.IntegerField):
    """Units, as many as a line may have."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 1, "max_value": 9_999, **kwargs})


class TaxRate(serializers.DecimalField):
    """A fraction of the net amount: `"0.19"` is 19 %."""

    def __init__(self, **kwargs: Any) -> None:
        bounds = {"min_value": Decimal(0), "max_value": Decimal(1)}
        super().__init__(**{"max_digits": 7, "decimal_places": 6, **bounds, **kwargs})

    def to_representation(self, value: Any) -> str:
        return f"{value.normalize():f}"


class CurrencyCode(serializers.CharField):
    """An ISO 4217 code: `USD`."""

    default_error_messages = {"currency": "“{code}” is not a currency code of ISO 4217."}

    def to_internal_value(self, data: Any) -> str:
        code = super().to_internal_value(data)
        try:
            money.decimals(code)
        except ValueError:
            self.fail("currency", code=code)
        return code


class MoneyIn(serializers.DecimalField):
    """An amount of 0 or more in the currency that the request or the order names."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            **{
                "max_digits": money.MAX_DIGITS,
                "decimal_places": money.MAX_DECIMALS,
                "min_value": Decimal(0),
                **kwargs,
            }
        )

    def to_internal_value(self, data: Any) -> Decimal:
        return super().to_internal_value(data) + 0  # "-0" is 0


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
        return str(money.money(amount, get_attribute(instance, self.currency.split("."))))


class Address(StrictSerializer):
    """Where a parcel or an invoice goes."""

    name = serializers.CharField(max_length=200)
    company = serializers.CharField(max_length=200, required=False, allow_blank=True)
    line1 = serializers.CharField(max_length=200)
    line2 = serializers.CharField(max_length=200, required=False, allow_blank=True)
    city = serializers.CharField(max_length=100)
    region = serializers.CharField(max_length=100, required=False, allow_blank=True)
    postal_code = serializers.CharField(max_length=20, required=False, allow_blank=True)
    country = serializers.RegexField(
        r"^[A-Z]{2}$", error_messages={"invalid": "Two upper-case letters of ISO 3166: “US”."}
    )
    phone = serializers.CharField(max_length=40, required=False, allow_blank=True)
    tax_id = serializers.CharField(max_length=40, required=False, allow_blank=True)
