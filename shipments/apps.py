from django.apps import AppConfig


class ShipmentsConfig(AppConfig):
    name = "shipments"

    def ready(self) -> None:
        from shipments import people, reactions, signals, tasks  # noqa: F401
