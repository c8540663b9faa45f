from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "events"

    def ready(self) -> None:
        from events import checks, holdings, signals  # noqa: F401
        from events.operations import parked  # noqa: F401
