from typing import Any

from django.core.management import BaseCommand, CommandError

from events.delivery import broker


class Command(BaseCommand):
    help = "Declare the exchange, the consumers' queues and their dead-letter queues."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            broker.declare_topology()
        except broker.Unavailable as error:
            raise CommandError(f"The broker does not respond: {error}") from error
        names = [queue.name for queue in broker.queues()]
        self.stdout.write(f"Declared exchange {broker.exchange().name} and {', '.join(names)}.")
