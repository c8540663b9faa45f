"""A token for local work and for services that share the secret."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from config.api import tokens


class Command(BaseCommand):
    help = "Print a bearer token signed with JWT_SECRET."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, help="org_123")
        parser.add_argument("--subject", required=True, help="user_789")
        parser.add_argument("--scope", required=True, help='"orders:read orders:write", or "*"')
        parser.add_argument("--hours", type=float, default=24)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            token = tokens.issue(
                organization_id=options["organization"],
                subject=options["subject"],
                scope=options["scope"],
                lifetime=timedelta(hours=options["hours"]),
            )
        except (ImproperlyConfigured, ValueError, OverflowError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(token)
