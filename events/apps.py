from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "events"

    def ready(self) -> None:
        from events import checks, signals  # noqa: F401
        from events.operations import parked, people  # noqa: F401
