"""What one organization decides for itself."""

from django.core.validators import MinValueValidator
from django.db import models


class Policy(models.Model):
    """What is null, the settings decide."""

    organization_id = models.CharField(max_length=64, primary_key=True)
    reservation_ttl_minutes = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="How long stock is reserved for an unpaid order. "
        "Blank leaves it to the settings.",
        validators=[MinValueValidator(1)],
    )

    class Meta:
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return self.organization_id
