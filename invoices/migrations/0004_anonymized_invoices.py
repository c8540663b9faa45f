"""Lets the triggers of invoices allow one change: `Invoice.anonymize`, once for each invoice."""

from importlib import import_module

from django.db import migrations, models

frozen = import_module("invoices.migrations.0002_frozen")
ANONYMIZED = ("buyer", "customer_email", "anonymized_at")


def unfreeze(apps, schema_editor):
    is_sqlite = schema_editor.connection.vendor == "sqlite"
    for table in ("invoices_invoice", "invoices_creditnote"):
        for what in ("update", "delete", *(["replace"] if is_sqlite else [])):
            of_table = "" if is_sqlite else f" ON {table}"
            schema_editor.execute(f"DROP TRIGGER IF EXISTS {table}_no_{what}{of_table}")


def freeze(apps, schema_editor):
    frozen.freeze(apps, schema_editor)
    vendor = schema_editor.connection.vendor
    table, columns = frozen._columns(apps, "Invoice")
    of_table = "" if vendor == "sqlite" else f" ON {table}"
    schema_editor.execute(f"DROP TRIGGER {table}_no_update{of_table}")
    is_null = "OLD.anonymized_at IS NULL AND NEW.anonymized_at IS NOT NULL"
    allowed = f"{is_null} AND NEW.customer_email IS NULL AND NEW.buyer = '{{}}'"
    others = [column for column in columns if column not in ANONYMIZED]
    if vendor == "sqlite":
        same = " AND ".join(f"OLD.{column} IS NEW.{column}" for column in others)
        changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in columns)
        schema_editor.execute(
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table}"
            f" WHEN ({changed}) AND NOT ({allowed} AND {same})"
            f" BEGIN SELECT RAISE(ABORT, '{table} is issued and never changes'); END"
        )
    else:
        schema_editor.execute(
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} FOR EACH ROW"
            f" WHEN ({_row('OLD', columns)} IS DISTINCT FROM {_row('NEW', columns)} AND NOT"
            f" ({allowed} AND {_row('OLD', others)} IS NOT DISTINCT FROM {_row('NEW', others)}))"
            " EXECUTE FUNCTION invoices_refuse()"
        )


def _row(which, columns):
    return f"ROW({', '.join(f'{which}.{column}' for column in columns)})"


class Migration(migrations.Migration):
    dependencies = [("invoices", "0003_erased_recipients")]

    operations = [
        migrations.RunPython(unfreeze, frozen.freeze),
        migrations.AddField("invoice", "anonymized_at", models.DateTimeField(null=True)),
        migrations.AddIndex(
            "invoice",
            models.Index(
                fields=["issued_at"],
                name="invoice_not_anonymized",
                condition=models.Q(anonymized_at__isnull=True),
            ),
        ),
        migrations.RunPython(freeze, unfreeze),
    ]
