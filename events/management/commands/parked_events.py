from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from typing import Any

from django.core.management import BaseCommand, CommandError

from config.core import request_context
from config.core.exceptions import DomainError
from events.models import Outbox, Reaction
from events.operations import parked
from events.operations.console import safe


class Command(BaseCommand):
    help = "List, show, retry or discard parked messages and reactions."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        commands.add_parser("list", help="print a line for each, with its name first")
        show = commands.add_parser("show", help="print everything about one")
        retry = commands.add_parser("retry", help="retry some now, or all")
        discard = commands.add_parser("discard", help="discard one for good")
        for each in (show, discard):
            each.add_argument("name", help="as list prints it")
        retry.add_argument("names", nargs="*", metavar="name", help="as list prints it")
        retry.add_argument("--all", action="store_true", help="all that are parked")
        discard.add_argument("--reason", required=True, help="shown on the timeline")

    def handle(self, *args: Any, command: str, **options: Any) -> None:
        commands: dict[str, Callable[..., None]] = {
            "list": self._list,
            "show": self._show,
            "retry": self._retry,
            "discard": self._discard,
        }
        try:
            with request_context.use_shell_user():
                commands[command](**options)
        except DomainError as error:
            raise CommandError(str(error)) from error

    def _list(self, **options: Any) -> None:
        for row in parked.rows():
            since = f"{row.parked_at:%Y-%m-%d %H:%M:%S}"
            error = safe(row.last_error[:120])
            self.stdout.write(
                f"{parked.name(row)}  {row.event.name}  {row.stream}  {since}  {error}"
            )

    def _show(self, *, name: str, **options: Any) -> None:
        for label, value in _details(parked.find(name)):
            self.stdout.write(f"{label:<13} {value}")

    def _retry(self, *, names: list[str], all: bool, **options: Any) -> None:
        if all == bool(names):
            raise CommandError("Give names, or --all.")
        rows = list(parked.rows()) if all else [parked.find(name) for name in names]
        for row in rows:
            try:
                outcome = "is retried" if parked.retry(**_id(row)) else "is due anyway"
            except parked.NotPending:
                outcome = "is not pending any more"
            self.stdout.write(f"{parked.name(row)} {outcome}.")

    def _discard(self, *, name: str, reason: str, **options: Any) -> None:
        if not reason.strip():
            raise CommandError("--reason must say why it is discarded.")
        parked.discard(**_id(parked.find(name)), reason=reason.strip())
        self.stdout.write(f"{name} is discarded.")


def _id(row: Outbox | Reaction) -> dict[str, int]:
    return {f"{row._meta.model_name}_id": row.pk}


def _details(row: Outbox | Reaction) -> Iterator[tuple[str, object]]:
    yield "name", parked.name(row)
    yield "event", row.event.name
    yield "stream", row.stream
    yield "organization", row.organization_id
    yield "recorded", row.event.recorded_at
    yield "attempts", row.attempts
    yield "parked", row.parked_at or "no"
    yield "error", safe(row.last_error)
    yield "body", safe(row.event.body)
