from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from invoices import selectors


class Command(BaseCommand):
    help = "Check that no number of an invoice or a credit note is missing or used twice."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", help="check the numbers of this organization only")

    def handle(self, *args: Any, organization: str | None, **options: Any) -> None:
        count, errors = 0, []
        for annual in selectors.annual_series(organization):
            last, found = selectors.check_series(annual)
            count += last
            errors += found
        for error in errors:
            self.stderr.write(error)
        if errors:
            raise CommandError(f"{len(errors)} errors in {count} numbers.")
        self.stdout.write(f"Checked {count} numbers: none is missing, none is used twice.")
