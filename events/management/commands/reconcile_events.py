from typing import Any

from django.core.management import BaseCommand, CommandError

from events import audit, origin, reconcile


class Command(BaseCommand):
    help = "Prove that the log has no gap, and that it tells of every order, cart and message."

    def handle(self, *args: Any, **options: Any) -> None:
        with origin.acting_at_the_shell(), audit.recorded("reconcile_events", {}) as entry:
            report = reconcile.reconcile()
            entry.result = report.text
        for problem in report.lines:
            self.stderr.write(problem)
        if report.wrong:
            raise CommandError(report.summary)
        self.stdout.write(report.summary)
