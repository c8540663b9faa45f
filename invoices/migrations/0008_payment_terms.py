"""Adds what is to be paid of an invoice, which the triggers protect too."""

from decimal import Decimal
from importlib import import_module

import config.core.money
from django.db import migrations, models

anonymized = import_module("invoices.migrations.0004_anonymized_invoices")


class Migration(migrations.Migration):

    dependencies = [
        ('invoices', '0007_time_zone'),
    ]

    operations = [
        migrations.RunPython(anonymized.unfreeze, anonymized.freeze),
        migrations.AddField(
            model_name='invoice',
            name='payment_terms',
            field=models.CharField(choices=[('paid', 'Paid in full'), ('authorized', 'Payment authorized'), ('invoice', 'Payable by bank transfer'), ('cash_on_delivery', 'Cash on delivery')], db_default='paid', default='paid', max_length=16),
        ),
        migrations.AddField(
            model_name='invoice',
            name='due',
            field=config.core.money.MoneyField(db_default=Decimal('0'), decimal_places=4, default=Decimal('0'), max_digits=15),
        ),
        migrations.AddField(
            model_name='invoice',
            name='due_on',
            field=models.DateField(null=True),
        ),
        migrations.RunPython(anonymized.freeze, anonymized.unfreeze),
    ]
