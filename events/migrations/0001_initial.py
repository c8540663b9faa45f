import django.db.models.deletion
import django.db.models.functions.datetime
import events.ids
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Event",
            fields=[
                ("number", models.BigAutoField(primary_key=True, serialize=False)),
                ("id", events.ids.PublicIdField("evt", primary_key=False, unique=True)),
                ("organization_id", models.CharField(max_length=64)),
                ("name", models.CharField(max_length=64)),
                ("version", models.CharField(max_length=8)),
                ("stream", models.CharField(max_length=64)),
                ("sequence", models.BigIntegerField(null=True)),
                ("occurred_at", models.DateTimeField()),
                (
                    "recorded_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("subject", models.CharField(max_length=64)),
                ("actor", models.CharField(max_length=150)),
                ("request_id", models.CharField(max_length=64, null=True)),
                ("traceparent", models.CharField(max_length=55, null=True)),
                ("body", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name="Publication",
            fields=[
                ("position", models.BigAutoField(primary_key=True, serialize=False)),
                ("organization_id", models.CharField(max_length=64)),
                (
                    "published_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Reaction",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("not_before", models.DateTimeField(null=True)),
                ("parked_at", models.DateTimeField(null=True)),
                ("last_error", models.TextField(default="")),
                ("reaction", models.CharField(max_length=128)),
                ("stream", models.CharField(max_length=64)),
                ("context", models.CharField(max_length=32)),
                ("nudged_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Series",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("organization_id", models.CharField(max_length=64)),
                ("series", models.CharField(max_length=8)),
                ("year", models.PositiveSmallIntegerField()),
                ("last", models.PositiveIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Stream",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("sequence", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Outbox",
            fields=[
                ("attempts", models.PositiveIntegerField(default=0)),
                ("not_before", models.DateTimeField(null=True)),
                ("parked_at", models.DateTimeField(null=True)),
                ("last_error", models.TextField(default="")),
                (
                    "event",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="outbox",
                        serialize=False,
                        to="events.event",
                    ),
                ),
                ("stream", models.CharField(max_length=64)),
                ("shard", models.PositiveSmallIntegerField()),
            ],
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["stream", "number"], name="event_stream"),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(
                fields=("stream", "sequence"), name="one_event_per_sequence"
            ),
        ),
        migrations.AddField(
            model_name="publication",
            name="event",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="publication",
                to="events.event",
            ),
        ),
        migrations.AddField(
            model_name="reaction",
            name="event",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="reactions",
                db_index=False,
                to="events.event",
            ),
        ),
        migrations.AddConstraint(
            model_name="series",
            constraint=models.UniqueConstraint(
                fields=("organization_id", "series", "year"), name="one_counter_per_series"
            ),
        ),
        migrations.AddIndex(
            model_name="outbox",
            index=models.Index(fields=["shard", "event"], name="outbox_owed"),
        ),
        migrations.AddIndex(
            model_name="outbox",
            index=models.Index(
                condition=models.Q(
                    ("not_before__isnull", False), ("parked_at__isnull", False), _connector="OR"
                ),
                fields=["shard", "stream"],
                name="outbox_held",
            ),
        ),
        migrations.AddIndex(
            model_name="publication",
            index=models.Index(fields=["organization_id", "position"], name="publication_cursor"),
        ),
        migrations.AddIndex(
            model_name="reaction",
            index=models.Index(fields=["stream", "context", "id"], name="reaction_owed"),
        ),
        migrations.AddConstraint(
            model_name="reaction",
            constraint=models.UniqueConstraint(
                fields=("event", "reaction"), name="one_reaction_per_event"
            ),
        ),
    ]
