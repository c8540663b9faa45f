"""Lets an invoice have the number of the buyer's own order, which `Invoice.anonymize` deletes."""

from functools import partial
from importlib import import_module

from django.db import migrations, models

import config.core.client_data

replaced = import_module("invoices.migrations.0009_replaced_invoices")
ANONYMIZED = replaced.anonymized.ANONYMIZED
CHANGES = dict(replaced.CHANGES)
CHANGES[(*ANONYMIZED, "purchase_order_number")] = (
    f"{CHANGES.pop(ANONYMIZED)} AND NEW.purchase_order_number IS NULL"
)


class Migration(migrations.Migration):

    dependencies = [
        ('invoices', '0010_international_addresses'),
    ]

    operations = [
        migrations.RunPython(replaced.unfreeze, replaced.freeze),
        migrations.AddField(
            model_name='invoice',
            name='purchase_order_number',
            field=config.core.client_data.PurchaseOrderNumberField(max_length=64, null=True),
        ),
        migrations.AddIndex(
            model_name='invoice',
            index=models.Index(condition=models.Q(('purchase_order_number__isnull', False)), fields=['purchase_order_number', 'organization_id', '-id'], name='invoice_purchase_order'),
        ),
        migrations.RunPython(partial(replaced.freeze, changes=CHANGES), replaced.unfreeze),
    ]
