"""What a client stores with a cart, an order or a line: metadata, a reference of its own, notes."""

from typing import Any, TypedDict

from django.contrib.postgres.indexes import GinIndex
from django.db import connection, models
from django.db.models import Q
from django.db.models.expressions import RawSQL

MAX_ENTRIES, MAX_KEY, MAX_VALUE = 20, 40, 500  # of metadata
MAX_REFERENCE, MAX_NOTE = 64, 1000
CLIENT_DATA = ("metadata", "external_reference", "customer_note", "internal_note")
# What replaces it when the data of its customer is erased.
ERASED: dict[str, Any] = {**dict.fromkeys(CLIENT_DATA), "metadata": {}}


class ClientDataGiven(TypedDict, total=False):
    """What a new row may have of it."""

    metadata: dict[str, str]
    external_reference: str | None
    customer_note: str | None
    internal_note: str | None


class ClientData(models.Model):
    """The columns that hold it. No event has them.

    `metadata` are up to 20 texts by their names. The customer reads `customer_note`, and the shop
    only `internal_note`.
    """

    # During an upgrade, the old version inserts rows without it.
    metadata = models.JSONField(default=dict, db_default={})
    external_reference = models.CharField(max_length=MAX_REFERENCE, null=True)
    customer_note = models.CharField(max_length=MAX_NOTE, null=True)
    internal_note = models.CharField(max_length=MAX_NOTE, null=True)

    class Meta:
        abstract = True


class PurchaseOrderNumberField(models.CharField):
    """The number of the buyer's own order, which their accounts payable looks for."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "max_length": MAX_REFERENCE, "null": True})


def reference_index(column: str, name: str) -> models.Index:
    """Return the index of a list that is filtered by a reference, which most rows lack."""
    given = Q(**{f"{column}__isnull": False})
    return models.Index(fields=[column, "organization_id", "-id"], name=name, condition=given)


def line_index(name: str) -> models.Index:
    """Return the index that `has_line` uses."""
    given = Q(external_reference__isnull=False)
    return models.Index(fields=["external_reference"], name=name, condition=given)


def metadata_index(name: str) -> models.Index:
    """Return the index that `has_metadata` uses."""
    return GinIndex(
        fields=["metadata"],
        name=name,
        opclasses=["jsonb_path_ops"],
        condition=~Q(metadata={}),
    )


def has_metadata(model: type[models.Model], entry: str) -> Q:
    """Return the condition: the metadata has this entry, written as `key:value`."""
    key, _, value = entry.partition(":")
    if connection.features.supports_json_field_contains:
        return Q(metadata__contains={key: value}) & ~Q(metadata={})
    entries = f"json_each({model._meta.db_table}.metadata)"
    sql = f"EXISTS (SELECT 1 FROM {entries} WHERE key = %s AND value = %s)"
    return Q(RawSQL(sql, [key, value], output_field=models.BooleanField()))


def has_line(model: type[models.Model], reference: str) -> Q:
    """Return the condition: one of the lines has this reference."""
    items: Any = model._meta.get_field("items")
    lines = items.related_model.objects.filter(external_reference=reference)
    return Q(pk__in=lines.values(items.field.attname))
