"""What one organization decides for itself."""

from datetime import timedelta

from django.core.validators import MinValueValidator
from django.db import models


class Policy(models.Model):
    """What is null, the settings decide."""

    organization_id = models.CharField(max_length=64, primary_key=True)
    abandoned_after = models.DurationField(
        null=True,
        blank=True,
        help_text="Idle time after which a cart counts as abandoned: “1 00:00:00” is a day. "
        "Blank leaves it to the settings.",
        validators=[MinValueValidator(timedelta(seconds=1))],
    )

    class Meta:
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return self.organization_id
