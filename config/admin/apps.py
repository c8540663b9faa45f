from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "config.admin"
    label = "console"  # `admin` is Django's own
