from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from invoices import selectors


class Command(BaseCommand):
    help = "Prove that no number of an invoice or a credit note is missing, or given out twice."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", help="of this one only")

    def handle(self, *args: Any, organization: str | None, **options: Any) -> None:
        faults, checked = [], 0
        for series in selectors.number_series(organization):
            count, wrong = selectors.check_numbers(series)
            checked += count
            faults += wrong
        for fault in faults:
            self.stderr.write(fault)
        if faults:
            raise CommandError(f"{len(faults)} of {checked} numbers are wrong.")
        self.stdout.write(f"{checked} numbers: none is missing, none is there twice.")
