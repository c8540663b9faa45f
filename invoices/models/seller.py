"""The seller profile."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Seller(models.Model):
    """The profile of an organization that its new invoices print. Issued invoices do not change."""

    organization_id = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=200, help_text=_("The legal name."))
    tax_id = models.CharField(_("tax id"), max_length=40, blank=True)
    line1 = models.CharField(_("address"), max_length=200, blank=True)
    line2 = models.CharField(_("address, second line"), max_length=200, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)
    city = models.CharField(max_length=100, blank=True)
    region = models.CharField(max_length=100, blank=True)
    country = models.CharField(max_length=2, blank=True, help_text=_("Two letters, such as MX."))
    email = models.EmailField(blank=True, help_text=_("Replies to invoices go here."))
    phone = models.CharField(max_length=40, blank=True)
    note = models.CharField(
        max_length=300,
        blank=True,
        help_text=_("Printed at the foot of every page: the bank account, for example."),
    )

    def __str__(self) -> str:
        return self.organization_id

    def profile(self) -> dict[str, str]:
        """Return the fields that are not blank."""
        fields = (field.name for field in self._meta.fields if not field.primary_key)
        return {name: value for name in fields if (value := getattr(self, name))}
