from django.db import migrations


def forget(apps, schema_editor):
    """Delete the content of applied webhooks, as is done from now on when one is applied."""
    webhooks = apps.get_model("payments", "GatewayWebhook")
    webhooks.objects.filter(applied_at__isnull=False).update(payload="")


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial")]

    operations = [migrations.RunPython(forget, migrations.RunPython.noop)]
