"""Triggers that refuse changes of issued invoices and credit notes.

A later migration of these tables must create the triggers again: SQLite drops the triggers of a
table that is altered, and new columns must be covered too.
"""

from django.db import migrations

MUTABLE_COLUMNS = {"Invoice": {"status", "sent_at", "updated_at"}, "CreditNote": set()}


def _columns(apps, name):
    model = apps.get_model("invoices", name)
    columns = [field.column for field in model._meta.local_concrete_fields]
    return model._meta.db_table, [column for column in columns if column not in MUTABLE_COLUMNS[name]]


def freeze(apps, schema_editor):
    for name in MUTABLE_COLUMNS:
        table, columns = _columns(apps, name)
        for sql in STATEMENTS[schema_editor.connection.vendor](table, columns):
            schema_editor.execute(sql, params=None)  # its % are not placeholders


def thaw(apps, schema_editor):
    for name in MUTABLE_COLUMNS:
        table, _ = _columns(apps, name)
        of_table = "" if schema_editor.connection.vendor == "sqlite" else f" ON {table}"
        vendor = schema_editor.connection.vendor
        for what in ("update", "delete", *(["replace"] if vendor == "sqlite" else [])):
            schema_editor.execute(f"DROP TRIGGER {table}_no_{what}{of_table}")
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION invoices_refuse()")


def _postgresql(table, columns):
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("OLD", "NEW"))
    yield (
        "CREATE OR REPLACE FUNCTION invoices_refuse() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION '% of % is issued and never changes', OLD.number, TG_TABLE_NAME"
        " USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    yield (
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} FOR EACH ROW"
        f" WHEN (ROW({old}) IS DISTINCT FROM ROW({new})) EXECUTE FUNCTION invoices_refuse()"
    )
    yield (
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} FOR EACH ROW"
        " EXECUTE FUNCTION invoices_refuse()"
    )


def _sqlite(table, columns):
    changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in columns)
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is issued and never changes'); END"
    yield f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} WHEN {changed} {refuse}"
    yield f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}"
    # INSERT OR REPLACE deletes the conflicting row without calling a trigger.
    unique = next(column for column in ("order_id", "refund_id") if column in columns)
    yield (
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM"
        f" {table} WHERE id = NEW.id OR {unique} = NEW.{unique} OR"
        f" (number = NEW.number AND organization_id = NEW.organization_id)) {refuse}"
    )


STATEMENTS = {"postgresql": _postgresql, "sqlite": _sqlite}


class Migration(migrations.Migration):
    dependencies = [("invoices", "0001_initial")]

    operations = [migrations.RunPython(freeze, thaw)]
