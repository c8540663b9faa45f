"""An organization's account with a carrier."""

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _


class Adapter(models.TextChoices):
    """The software that buys labels and tracks shipments; with `manual`, an operator does."""

    MANUAL = "manual"
    SANDBOX = "sandbox"
    EASYPOST = "easypost"


class CarrierAccount(models.Model):
    """The adapter and the account that an organization uses for a carrier."""

    organization_id = models.CharField(max_length=64)
    carrier = models.CharField(
        max_length=64,
        help_text=_(
            "The carrier's name as in orders, for example “FedEx”. The case does not matter."
        ),
    )
    adapter = models.CharField(max_length=16, choices=Adapter.choices)
    account = models.CharField(
        max_length=64,
        null=True,
        blank=True,
        help_text=_(
            "The organization's carrier account, “ca_…” at EasyPost. Blank: the default account."
        ),
    )

    class Meta:
        ordering = ["organization_id", "carrier"]
        constraints = [
            models.UniqueConstraint(
                "organization_id",
                Lower("carrier"),
                name="one_account_per_carrier",
                violation_error_message=_("The organization has an account with this carrier."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.organization_id}: {self.carrier}"
