"""What the admin stores about its operators."""

from django.contrib.auth.models import Group
from django.db import models


class GroupOrganization(models.Model):
    """The organization of a group. A group without one is a role: it belongs to no organization."""

    group = models.OneToOneField(
        Group, models.CASCADE, primary_key=True, related_name="organization"
    )
    organization_id = models.CharField(max_length=64)

    def __str__(self) -> str:
        return self.organization_id
