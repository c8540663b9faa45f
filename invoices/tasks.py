"""The Celery tasks of invoices. `now` is ISO 8601, and the current time by default."""

from celery import shared_task

from config.core.timers import moment, when_due
from invoices import selectors, services


@when_due(selectors.to_render)
@shared_task
def render_documents(now: str | None = None) -> int:
    """Render the PDFs that are due; return how many."""
    return services.render_due_documents(now=moment(now))


@when_due(selectors.to_mail)
@shared_task
def send_mails(now: str | None = None) -> int:
    """Send the mails that are due and whose PDF is rendered; return how many."""
    return services.send_due_mails(now=moment(now))


@shared_task
def anonymize_old_invoices(now: str | None = None) -> int:
    """Delete buyer and PDFs of invoices after INVOICE_RETENTION_YEARS; return how many."""
    return services.anonymize_old_invoices(now=moment(now))
