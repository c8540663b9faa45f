import os
import shutil
import threading
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management import BaseCommand, CommandError

from events.delivery import broker
from events.operations import console


class Command(BaseCommand):
    help = "Print every event from now on, until Ctrl-C. Consumers miss no message."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--full", action="store_true", help="print the complete JSON too")

    def handle(self, *args: Any, full: bool, **options: Any) -> None:
        if broker.is_embedded():
            raise CommandError(
                "memory:// cannot be read from another process. `make run` prints its events "
                "itself; to read from RabbitMQ, set EVENTS_BROKER_URL to amqp://…"
            )
        color = console.wants_color(self.stdout) and not options["no_color"]
        width = shutil.get_terminal_size().columns if self.stdout.isatty() else None

        def show(body: bytes, headers: Mapping[str, Any]) -> None:
            if full:
                text = console.full(body, headers, color=color)
            else:
                text = console.line(body, headers, color=color, width=width)
            try:
                self.stdout.write(text)
                self.stdout.flush()
            except BrokenPipeError:
                os._exit(0)  # `| head` has ended; the temporary queue ends with this process

        try:
            broker.tail(show, listening=threading.Event(), stop=threading.Event())
        except broker.Unavailable as error:
            raise CommandError(f"The broker does not respond: {error}") from error
        except KeyboardInterrupt:
            pass
