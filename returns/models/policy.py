"""An organization's terms for returns."""

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from config.core.money import TaxRateField


class PaidBy(models.TextChoices):
    """Who pays the postage of a return."""

    SELLER = "seller"
    CUSTOMER = "customer"


class Policy(models.Model):
    """One organization's terms. Null means the default."""

    organization_id = models.CharField(max_length=64, primary_key=True)
    window_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text=_(
            "Days after delivery in which a unit can be returned; 0 accepts no returns. "
            "Empty: the default of the settings."
        ),
    )
    restocking_fee = TaxRateField(
        null=True,
        blank=True,
        default=None,
        help_text=_("The part of the paid price that is kept: 0.15 is 15 %. Empty: no fee."),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1))],
    )
    postage_paid_by = models.CharField(
        max_length=16,
        choices=PaidBy.choices,
        null=True,
        blank=True,
        help_text=_("Who pays the postage of a return. Empty: the seller."),
    )

    class Meta:
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return self.organization_id
