"""Adds the time zone of an invoice, which the triggers protect too."""

from importlib import import_module

import config.core.clock
from django.db import migrations

anonymized = import_module("invoices.migrations.0004_anonymized_invoices")


class Migration(migrations.Migration):

    dependencies = [
        ('invoices', '0006_prices_with_tax'),
    ]

    operations = [
        migrations.RunPython(anonymized.unfreeze, anonymized.freeze),
        migrations.AddField(
            model_name='invoice',
            name='time_zone',
            field=config.core.clock.TimeZoneField(db_default='UTC', default='UTC', max_length=64),
        ),
        migrations.RunPython(anonymized.freeze, anonymized.unfreeze),
    ]
