"""Rules that an organization sets for its carts."""

from datetime import timedelta

from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class Policy(models.Model):
    """An organization's rules; a rule that is null follows the settings."""

    organization_id = models.CharField(max_length=64, primary_key=True)
    abandoned_after = models.DurationField(
        null=True,
        blank=True,
        help_text=_(
            "Idle time after which a cart is abandoned: “1 00:00:00” is one day. "
            "Leave empty to use the default from the settings."
        ),
        validators=[MinValueValidator(timedelta(seconds=1))],
    )

    class Meta:
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return self.organization_id
