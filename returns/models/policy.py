"""What one organization decides for itself."""

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from config.core.money import TaxRateField


class PaidBy(models.TextChoices):
    """Who pays for the way back."""

    SELLER = "seller"
    CUSTOMER = "customer"


class Policy(models.Model):
    """What is null, the settings decide."""

    organization_id = models.CharField(max_length=64, primary_key=True)
    window_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="For how many days after its delivery a unit may be sent back; 0 for never. "
        "Blank leaves it to the settings.",
    )
    restocking_fee = TaxRateField(
        null=True,
        blank=True,
        default=None,
        help_text="The fraction of what was paid that is kept: 0.15 is 15 %. Blank is none.",
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1))],
    )
    postage_paid_by = models.CharField(
        max_length=16,
        choices=PaidBy.choices,
        null=True,
        blank=True,
        help_text="Who pays for the way back. Blank is the seller.",
    )

    class Meta:
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return self.organization_id
