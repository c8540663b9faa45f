"""How an organization works with a carrier."""

from django.db import models
from django.db.models.functions import Lower


class Adapter(models.TextChoices):
    """Who makes labels and knows where parcels are."""

    MANUAL = "manual"
    SANDBOX = "sandbox"
    EASYPOST = "easypost"


class CarrierAccount(models.Model):
    """Which adapter speaks to a carrier for an organization, and under which account."""

    organization_id = models.CharField(max_length=64)
    carrier = models.CharField(
        max_length=64, help_text="As orders and operators write it, in whatever case: “FedEx”."
    )
    adapter = models.CharField(max_length=16, choices=Adapter.choices)
    account = models.CharField(
        max_length=64,
        null=True,
        blank=True,
        help_text="The organization's account there, “ca_…” at EasyPost. Blank: the default one.",
    )

    class Meta:
        ordering = ["organization_id", "carrier"]
        constraints = [
            models.UniqueConstraint(
                "organization_id",
                Lower("carrier"),
                name="one_account_per_carrier",
                violation_error_message="The organization has an account with this carrier.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.organization_id}: {self.carrier}"
