"""The seller profile."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from config.core import countries
from config.core.mail import validate_address
from config.pdf.language import is_known


class Seller(models.Model):
    """The profile of an organization that its new invoices print. Issued invoices do not change."""

    class Untaxed(models.TextChoices):
        """The codes of UNTDID 5305."""

        EXEMPT = "E", _("exempt from tax")
        EXPORT = "G", _("export")
        ZERO = "Z", _("zero rated")

    organization_id = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=200, help_text=_("The legal name."))
    tax_id = models.CharField(_("tax id"), max_length=40, blank=True)
    line1 = models.CharField(_("address"), max_length=200, blank=True)
    line2 = models.CharField(_("address, second line"), max_length=200, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)
    city = models.CharField(max_length=100, blank=True)
    region = models.CharField(max_length=100, blank=True)
    country = models.CharField(max_length=2, blank=True, help_text=_("Two letters, such as MX."))
    email = models.CharField(
        max_length=254,
        blank=True,
        validators=[validate_address],
        help_text=_("Replies to invoices go here."),
    )
    phone = models.CharField(max_length=40, blank=True)
    note = models.CharField(
        max_length=300,
        blank=True,
        help_text=_("Printed at the foot of every page: the bank account, for example."),
    )

    language = models.CharField(
        max_length=20,
        blank=True,
        help_text=_("Of its documents and mails: en, es, or with a country, such as es-MX."),
    )
    untaxed_reason = models.CharField(
        _("reason for sales without tax"),
        max_length=300,
        blank=True,
        help_text=_("Printed on invoices with a tax rate of 0 %: the law that exempts them."),
    )
    untaxed_category = models.CharField(
        _("category of sales without tax"),
        max_length=1,
        choices=Untaxed.choices,
        blank=True,
        help_text=_("For electronic invoices; exempt from tax by default."),
    )
    e_invoices = models.BooleanField(
        _("electronic invoices"),
        default=False,
        help_text=_("Embed Factur-X (ZUGFeRD), profile EN 16931. Needs VAT id and country."),
    )

    def __str__(self) -> str:
        return self.organization_id

    def clean(self) -> None:
        """Refuse an unknown language or country."""
        errors: dict[str, Any] = {}
        if self.language and not is_known(self.language):
            errors["language"] = _("Unknown language. Example: es-MX.")
        if self.country and (objection := countries.objection(self.country)):
            errors["country"] = objection
        if errors:
            raise ValidationError(errors)

    def profile(self) -> dict[str, Any]:
        """Return the fields that are not blank."""
        fields = (field.name for field in self._meta.fields if not field.primary_key)
        return {name: value for name in fields if (value := getattr(self, name))}
