"""Rules that an organization sets for its orders."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from config.core.clock import TimeZoneField, validate_time_zone
from orders.models.choices import TaxRounding


class Policy(models.Model):
    """An organization's rules; a rule that is null follows the settings."""

    class Reservation(models.TextChoices):
        """Whether a paid order needs Inventory's reservation to be confirmed."""

        OPTIONAL = "optional", _("not required")
        REQUIRED = "required", _("required for every unit")
        BACKORDER = "backorder", _("required for some units; the others are back-ordered")

    organization_id = models.CharField(max_length=64, primary_key=True)
    time_zone = TimeZoneField(
        help_text=_(
            "The organization's clock, such as Europe/Madrid. The dates of its documents, the "
            "years of its numbers and the days of its rules follow it. Orders keep the one they "
            "were opened with."
        ),
        validators=[validate_time_zone],
    )
    reservation_ttl_minutes = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text=_(
            "Minutes for which stock is reserved for an unpaid order. "
            "Leave empty to use the default from the settings."
        ),
        validators=[MinValueValidator(1)],
    )

    pending_order_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text=_(
            "Days after which an order that was not placed is cancelled. "
            "Leave empty to use the default from the settings."
        ),
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
    )

    reservation = models.CharField(
        max_length=16,
        choices=Reservation.choices,
        default=Reservation.OPTIONAL,
        help_text=_(
            "Whether a paid order is confirmed only after Inventory has reserved its stock."
        ),
    )
    reservation_timeout_minutes = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text=_(
            "Minutes after which a paid order that Inventory has not reserved is put on hold. "
            "Leave empty to use the default from the settings."
        ),
        validators=[MinValueValidator(1)],
    )

    tax_inclusive = models.BooleanField(
        _("prices include tax"),
        default=False,
        db_default=False,
        help_text=_("Whether prices, discounts and shipping costs include tax in new carts."),
    )
    tax_rounding = models.CharField(
        max_length=8,
        choices=TaxRounding.choices,
        default=TaxRounding.LINE,
        db_default=TaxRounding.LINE,
        help_text=_("What is rounded. Electronic invoices (EN 16931) want the sum by rate."),
    )

    class Meta:
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return self.organization_id
