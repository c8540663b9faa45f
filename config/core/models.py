"""The tables of number series and of revoked links."""

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


class LinkRevocation(models.Model):
    """The links to the PDF of a row that were signed before `revoked_at` open nothing any more."""

    row_id = models.CharField(max_length=40, primary_key=True)
    revoked_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.row_id
