from typing import Any

from django.core.management import BaseCommand, CommandError

from config.core import request_context
from events.operations import audit, reconcile


class Command(BaseCommand):
    help = "Check that the log has no gap and explains every aggregate and message."

    def handle(self, *args: Any, **options: Any) -> None:
        with request_context.use_shell_user(), audit.recorded("reconcile_events", {}) as entry:
            report = reconcile.reconcile()
            entry.result = report.text
        for problem in report.lines:
            self.stderr.write(problem)
        if report.wrong:
            raise CommandError(report.summary)
        self.stdout.write(report.summary)
