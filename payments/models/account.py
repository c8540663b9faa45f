"""What one organization decides for itself."""

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models


class PaymentAccount(models.Model):
    """Where an organization's money goes, and how long it waits for a transfer."""

    organization_id = models.CharField(max_length=64, primary_key=True)
    stripe_account = models.CharField(
        max_length=64,
        null=True,
        blank=True,
        help_text="The connected account that takes the organization's card payments: “acct_…”. "
        "Blank: none are taken.",
        validators=[RegexValidator(r"^acct_[A-Za-z0-9]+$", "It looks like “acct_1AbC…”.")],
    )
    manual_payment_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="How many days an order waits for a bank transfer. "
        "Blank leaves it to the settings.",
        validators=[MinValueValidator(1)],
    )

    def __str__(self) -> str:
        return self.organization_id
