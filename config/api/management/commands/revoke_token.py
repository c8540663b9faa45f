"""Revokes a leaked token, or all tokens of a subject."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from config.api.revocation import DELAY, revoke


class Command(BaseCommand):
    help = "Refuse one token, or all tokens of a subject that were issued until now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, help="org_123")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--jti", help="the claim `jti` of the token")
        which.add_argument("--subject", help="user_789")

    def handle(self, *args: Any, **options: Any) -> None:
        organization_id, jti, subject = (
            options[name] for name in ("organization", "jti", "subject")
        )
        revoke(organization_id=organization_id, jti=jti, subject=subject)
        self.stdout.write(f"Revoked. All processes refuse it within {DELAY:.0f} seconds.")
