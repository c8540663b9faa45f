"""Every table is on the page about retention, and old rows are deleted as the page says."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings as project
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.utils import timezone

from config.admin.tasks import delete_old_logins
from config.api.models import IdempotencyRecord
from config.api.tasks import delete_old_records
from events.models import AuditEntry
from events.people import holdings
from events.tasks import remove_old_events
from payments.models import GatewayWebhook
from payments.tasks import process_pending_webhooks

pytestmark = pytest.mark.django_db
ROW = re.compile(r"^\| (`.+?) \| (yes|no) \| .+? \| (.*)\|$", re.MULTILINE)
ROWS = ROW.findall((Path(project.BASE_DIR) / "docs/operations/retention.md").read_text())


def listed(answers):
    return sorted(
        name for names, is_held, _ in ROWS if is_held in answers for name in names.split(", ")
    )


def labels(models):
    return sorted(f"`{model._meta.label}`" for model in models)


def test_the_page_lists_every_table_and_whether_an_erasure_covers_it():
    assert listed(["yes", "no"]) == labels(apps.get_models(include_auto_created=True))
    assert listed(["yes"]) == labels({holding.model for holding in holdings} | {PUBLICATION})


PUBLICATION = apps.get_model("events.Publication")  # its rows are of events, without a text


def test_every_setting_on_the_page_exists():
    names = {name for *_, kept in ROWS for name in re.findall(r"`(\w+)`", kept)}
    assert len(names) > 10
    assert [name for name in names if not hasattr(project, name)] == []


def later(**given):
    return (timezone.now() + timedelta(**given)).isoformat()


def test_old_audit_entries_and_edits_are_deleted(settings):
    old = timezone.now()
    entries = [AuditEntry(action="reconcile_events", begun_at=begun) for begun in (old, None)]
    AuditEntry.objects.bulk_create(entries)
    user = User.objects.create_user("olga")
    LogEntry.objects.create(user=user, action_flag=CHANGE, object_repr="Casa Luna")
    for task in (remove_old_events, delete_old_logins):
        task(later(days=1_000))
    assert (AuditEntry.objects.count(), LogEntry.objects.count()) == (2, 1), "kept by default"
    settings.AUDIT_KEEP_DAYS = 30
    for task in (remove_old_events, delete_old_logins):
        task(later(days=29))
    assert (AuditEntry.objects.count(), LogEntry.objects.count()) == (2, 1)
    for task in (remove_old_events, delete_old_logins):
        task(later(days=31))
    assert list(AuditEntry.objects.all()) == entries[1:], "one that waits for a worker stays"
    assert not LogEntry.objects.exists()


def test_old_webhooks_and_stored_responses_are_deleted(settings):
    settings.WEBHOOKS_KEEP_DAYS, settings.IDEMPOTENCY_KEEP_HOURS = 5, 2
    GatewayWebhook.objects.create(source="stripe", event_id="evt_1", subject="x")
    IdempotencyRecord.objects.create()
    process_pending_webhooks(later(days=4))
    delete_old_records(later(hours=1))
    assert GatewayWebhook.objects.exists()
    assert IdempotencyRecord.objects.exists()
    process_pending_webhooks(later(days=6))
    delete_old_records(later(hours=3))
    assert not GatewayWebhook.objects.exists()
    assert not IdempotencyRecord.objects.exists()
