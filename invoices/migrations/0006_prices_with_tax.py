"""Adds whether prices include tax, which the triggers protect too."""

from importlib import import_module

import django.db.models.expressions
import django.db.models.functions.math
from django.db import migrations, models

anonymized = import_module("invoices.migrations.0004_anonymized_invoices")


class Migration(migrations.Migration):

    dependencies = [
        ('invoices', '0005_credit_note_lines'),
        ('orders', '0003_prices_with_tax'),
    ]

    operations = [
        migrations.RunPython(anonymized.unfreeze, anonymized.freeze),
        migrations.RemoveConstraint(
            model_name='invoice',
            name='invoice_adds_up',
        ),
        migrations.AddField(
            model_name='invoice',
            name='delivery_country',
            field=models.CharField(max_length=2, null=True),
        ),
        migrations.AddField(
            model_name='invoice',
            name='tax_inclusive',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(('discount__gte', 0), ('tax__gte', 0), models.Q(models.Q(('tax_inclusive', False), ('total', django.db.models.functions.math.Round(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('subtotal'), '-', models.F('discount')), '+', models.F('tax')), precision=4))), models.Q(('tax_inclusive', True), ('total', django.db.models.functions.math.Round(django.db.models.expressions.CombinedExpression(models.F('subtotal'), '-', models.F('discount')), precision=4))), _connector='OR')), name='invoice_adds_up'),
        ),
        migrations.RunPython(anonymized.freeze, anonymized.unfreeze),
    ]
