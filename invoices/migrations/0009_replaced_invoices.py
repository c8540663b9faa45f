"""Lets an order have several invoices; all but one are replaced.

The triggers allow one more change: `Invoice.replace`, once for each invoice. A later migration of these
tables must drop them with `unfreeze` and create them again with `freeze`, as this one does.
"""

from importlib import import_module

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.math
from django.db import migrations, models

frozen = import_module("invoices.migrations.0002_frozen")
anonymized = import_module("invoices.migrations.0004_anonymized_invoices")
unfreeze = anonymized.unfreeze
# By the columns that each may change: what must be true of the change.
CHANGES = {
    anonymized.ANONYMIZED: (
        "OLD.anonymized_at IS NULL AND NEW.anonymized_at IS NOT NULL"
        " AND NEW.customer_email IS NULL AND NEW.buyer = '{}'"
    ),
    ("replaced_by_id",): "OLD.replaced_by_id IS NULL AND NEW.replaced_by_id IS NOT NULL",
}
# What INSERT OR REPLACE of SQLite would delete, besides a row with the same id or number.
REPLACED = {
    "invoices_invoice": (
        "(order_id = NEW.order_id AND replaced_by_id IS NULL AND NEW.replaced_by_id IS NULL)"
        " OR replaces_id = NEW.replaces_id OR replaced_by_id = NEW.replaced_by_id"
    ),
    "invoices_creditnote": "(invoice_id = NEW.invoice_id AND refund_id = NEW.refund_id)",
}


def freeze(apps, schema_editor, changes=CHANGES):
    frozen.freeze(apps, schema_editor)
    is_sqlite = schema_editor.connection.vendor == "sqlite"
    table, columns = frozen._columns(apps, "Invoice")
    schema_editor.execute(f"DROP TRIGGER {table}_no_update{'' if is_sqlite else f' ON {table}'}")
    allowed = " OR ".join(
        f"({condition} AND {_same([each for each in columns if each not in changed], is_sqlite)})"
        for changed, condition in changes.items()
    )
    when = f"NOT {_same(columns, is_sqlite)} AND NOT ({allowed})"
    if not is_sqlite:
        schema_editor.execute(
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} FOR EACH ROW"
            f" WHEN ({when}) EXECUTE FUNCTION invoices_refuse()"
        )
        return
    schema_editor.execute(
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} WHEN {when}"
        f" BEGIN SELECT RAISE(ABORT, '{table} is issued and never changes'); END"
    )
    for table, conflict in REPLACED.items():
        schema_editor.execute(f"DROP TRIGGER {table}_no_replace")
        schema_editor.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM"
            f" {table} WHERE id = NEW.id OR {conflict} OR"
            " (number = NEW.number AND organization_id = NEW.organization_id))"
            f" BEGIN SELECT RAISE(ABORT, '{table} is issued and never changes'); END"
        )


def _same(columns, is_sqlite):
    if is_sqlite:
        return "(" + " AND ".join(f"OLD.{column} IS NEW.{column}" for column in columns) + ")"
    old, new = anonymized._row("OLD", columns), anonymized._row("NEW", columns)
    return f"({old} IS NOT DISTINCT FROM {new})"


class Migration(migrations.Migration):

    dependencies = [
        ('invoices', '0008_payment_terms'),
        ('orders', '0004_time_zone'),
    ]

    operations = [
        migrations.RunPython(unfreeze, anonymized.freeze),
        migrations.RemoveConstraint(
            model_name='creditnote',
            name='credit_note_adds_up',
        ),
        migrations.AddField(
            model_name='invoice',
            name='replaced_by',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='invoices.invoice'),
        ),
        migrations.AddField(
            model_name='invoice',
            name='replaces',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='invoices.invoice'),
        ),
        migrations.AlterField(
            model_name='creditnote',
            name='refund_id',
            field=models.CharField(max_length=40, null=True),
        ),
        migrations.AlterField(
            model_name='invoice',
            name='order',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orders.order'),
        ),
        migrations.AddConstraint(
            model_name='creditnote',
            constraint=models.UniqueConstraint(fields=('invoice', 'refund_id'), name='one_credit_note_per_refund'),
        ),
        migrations.AddConstraint(
            model_name='creditnote',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('total__gt', 0), models.Q(('refund_id', None), ('total', 0)), _connector='OR'), ('net__gte', 0), ('tax__gte', 0), ('total', django.db.models.functions.math.Round(django.db.models.expressions.CombinedExpression(models.F('net'), '+', models.F('tax')), precision=4))), name='credit_note_adds_up'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.UniqueConstraint(condition=models.Q(('replaced_by', None)), fields=('order',), name='one_current_invoice_per_order'),
        ),
        migrations.RunPython(freeze, unfreeze),
    ]
