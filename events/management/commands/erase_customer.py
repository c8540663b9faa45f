from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from config.core import request_context
from config.core.exceptions import DomainError
from events.management.commands.export_customer import add_identity, person
from events.operations import people


class Command(BaseCommand):
    help = (
        "Erase the personal data of a customer or a guest in all orders and carts. Invoices stay. "
        "If it is interrupted, run it again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_identity(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with request_context.use_shell_user():
                erasure = people.erase(person(options))
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(erasure.text)
