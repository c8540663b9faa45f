import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from events.delivery.definitions import definitions


class Command(BaseCommand):
    help = "Print the vhosts, users and permissions that RabbitMQ can import, with least rights."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "passwords",
            type=Path,
            metavar="DIRECTORY",
            help="a directory with the password of each user; missing ones are created",
        )
        parser.add_argument(
            "--may-declare",
            action="store_true",
            help="let each consumer declare its queue and bind it to its events",
        )

    def handle(self, *, passwords: Path, may_declare: bool, **options: Any) -> None:
        found = definitions(passwords, may_declare=may_declare)
        self.stdout.write(json.dumps(found, indent=2))
