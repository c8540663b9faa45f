"""Celery tasks of the admin."""

from datetime import timedelta

from axes.models import AccessAttempt, AccessFailureLog
from celery import shared_task
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session

from config.core.timers import moment


@shared_task
def delete_old_logins(now: str | None = None) -> int:
    """Delete expired sessions, and failed logins after `LOGIN_FAILURES_KEEP_DAYS`;
    return how many of the latter. Delete Django's log of edits after `AUDIT_KEEP_DAYS`.

    `now` is ISO 8601.
    """
    at = moment(now)
    Session.objects.filter(expire_date__lt=at).delete()
    AccessAttempt.objects.filter(attempt_time__lt=at - settings.AXES_COOLOFF_TIME).delete()
    if settings.AUDIT_KEEP_DAYS is not None:
        old = at - timedelta(days=settings.AUDIT_KEEP_DAYS)
        LogEntry.objects.filter(action_time__lt=old).delete()
    kept = timedelta(days=settings.LOGIN_FAILURES_KEEP_DAYS)
    deleted, _ = AccessFailureLog.objects.filter(attempt_time__lt=at - kept).delete()
    return int(deleted)
