from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "config.admin"
    label = "console"  # `admin` is Django's own

    def ready(self) -> None:
        """Replace Django's site, before the apps register their pages with it."""
        from django.contrib import admin
        from django.contrib.admin import sites

        from config.admin.site import Site

        admin.site = sites.site = Site()
