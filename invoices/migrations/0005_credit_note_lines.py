"""Adds the lines of credit notes, which the triggers protect too, and mails with credit notes."""

from importlib import import_module

import django.db.models.deletion
from django.db import migrations, models

anonymized = import_module("invoices.migrations.0004_anonymized_invoices")


class Migration(migrations.Migration):

    dependencies = [
        ('invoices', '0004_anonymized_invoices'),
    ]

    operations = [
        migrations.RunPython(anonymized.unfreeze, anonymized.freeze),
        migrations.RemoveConstraint(
            model_name='invoicedelivery',
            name='one_queued_delivery_per_address',
        ),
        migrations.AddField(
            model_name='creditnote',
            name='lines',
            field=models.JSONField(db_default=[], default=list),
        ),
        migrations.AddField(
            model_name='invoicedelivery',
            name='credit_note',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='invoices.creditnote'),
        ),
        migrations.AddConstraint(
            model_name='invoicedelivery',
            constraint=models.UniqueConstraint(condition=models.Q(('credit_note', None), ('status', 'queued')), fields=('invoice', 'recipient_email'), name='one_queued_delivery_per_address'),
        ),
        migrations.AddConstraint(
            model_name='invoicedelivery',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'queued')), fields=('credit_note', 'recipient_email'), name='one_queued_credit_note_per_address'),
        ),
        migrations.RunPython(anonymized.freeze, anonymized.unfreeze),
    ]
