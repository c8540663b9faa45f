import argparse
import re
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from config.core import request_context
from config.core.exceptions import DomainError
from events.delivery import broker
from events.operations import audit, replay


class Command(BaseCommand):
    help = (
        "Send published events to one existing queue again: the same messages with the same ids, "
        "and the header x-replay. Without further options, all events."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        bound = "a position, or a time of publication like 2025-11-23T15:00:00Z"
        parser.add_argument("--queue", required=True, help="its complete name with the prefix")
        parser.add_argument("--from", dest="first", metavar="FROM", help=bound)
        parser.add_argument("--to", dest="last", metavar="TO", help="the last one, likewise")
        parser.add_argument("--name", dest="names", nargs="+", default=[], metavar="EVENT")
        parser.add_argument("--stream", help="the id of an order or a cart")
        parser.add_argument("--organization")
        parser.add_argument("--rate", type=_rate, metavar="N/s", help="maximum messages per second")
        parser.add_argument("--dry-run", action="store_true", help="only count the messages")

    def handle(self, *args: Any, **options: Any) -> None:
        names = (
            "queue",
            "first",
            "last",
            "names",
            "stream",
            "organization",
            "rate",
            "dry_run",
        )
        arguments = {name: options[name] for name in names if options[name]}
        try:
            with (
                request_context.use_shell_user(),
                audit.recorded("replay_events", arguments) as entry,
            ):

                def report(text: str) -> None:
                    audit.report(entry, text)
                    self.stdout.write(text)

                entry.result = replay.replay(entry.id, report=report, **arguments)
        except (DomainError, broker.Unavailable) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(entry.result)


def _rate(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,6}(/s)?", text):
        raise argparse.ArgumentTypeError(f"“{text}” is no rate like 500/s.")
    return int(text.removesuffix("/s"))
