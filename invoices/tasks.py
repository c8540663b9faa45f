"""The Celery task of invoices."""

from celery import shared_task

from config.core.timers import moment
from invoices import services


@shared_task
def deliver_documents(now: str | None = None) -> int:
    """Render the PDFs and send the mails that are due; return how many. `now` is ISO 8601."""
    at = moment(now)
    return services.render_due_documents(now=at) + services.send_due_mails(now=at)
