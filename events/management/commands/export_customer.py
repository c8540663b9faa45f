import json
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from config.core import request_context
from config.core.exceptions import DomainError
from events.operations import people
from events.people import Person


def add_identity(parser: CommandParser) -> None:
    """Add the options that identify a person."""
    parser.add_argument("--organization", required=True, metavar="ID")
    parser.add_argument("--customer", metavar="ID", help="a customer")
    parser.add_argument("--session", metavar="ID", help="a guest, by the session")
    parser.add_argument("--email", help="a guest, by the e-mail address of their orders")


def person(options: dict[str, Any]) -> Person:
    """Return the person whom the options identify. Raises CommandError."""
    identity = {
        "customer_id": options["customer"],
        "session_id": options["session"],
        "email": options["email"],
    }
    if not any(identity.values()):
        raise CommandError("Give --customer, --session or --email.")
    return Person(organization_id=options["organization"], **identity)


class Command(BaseCommand):
    help = "Print everything that the service holds about a customer or a guest, as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        add_identity(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with request_context.use_shell_user():
                exported = people.export(person(options))
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(json.dumps(exported, ensure_ascii=False, indent=2))
