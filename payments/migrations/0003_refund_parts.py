"""Adds what a refund is for."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0002_forget_applied_webhooks'),
    ]

    operations = [
        migrations.AddField(
            model_name='refund',
            name='parts_data',
            field=models.JSONField(db_default=[], default=list),
        ),
    ]
