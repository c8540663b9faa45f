"""The table of number series."""

from django.db import models


class NumberSeries(models.Model):
    """The last number of a series, for an organization and a calendar year."""

    organization_id = models.CharField(max_length=64)
    series = models.CharField(max_length=8)
    year = models.PositiveSmallIntegerField()
    last = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "series", "year"], name="one_counter_per_series"
            )
        ]
