"""What the admin stores about its operators."""

from django.contrib.auth.models import Group
from django.db import models
from django.utils.translation import gettext_lazy as _


class GroupOrganization(models.Model):
    """The organization of a group. A group without one is a role: it belongs to no organization."""

    group = models.OneToOneField(
        Group, models.CASCADE, primary_key=True, related_name="organization"
    )
    organization_id = models.CharField(
        _("organization id"),
        max_length=64,
        help_text=_(
            "Members see this organization, and the group's permissions count in it only. Leave it "
            "blank for a role, whose permissions count in all organizations of its members."
        ),
    )

    class Meta:
        verbose_name = verbose_name_plural = _("organization")

    def __str__(self) -> str:
        return self.organization_id
