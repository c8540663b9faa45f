"""Whose rows an operator may see and change.

A group may belong to an organization. Its members then belong to that organization too, and the
group's permissions count there only. Permissions of the user, and of groups without an
organization, count in all organizations of the user. Superusers have all permissions everywhere.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet


@dataclass(frozen=True)
class Organizations:
    """Some organizations, by their ids; `ids` is None for all."""

    ids: frozenset[str] | None

    def __bool__(self) -> bool:
        return self.ids is None or bool(self.ids)

    def __and__(self, other: "Organizations") -> "Organizations":
        if self.ids is None or other.ids is None:
            return other if self.ids is None else self
        return Organizations(self.ids & other.ids)

    def cover(self, row: Any) -> bool:
        """Return whether the row belongs to one of these organizations."""
        return self.ids is None or (bool(self.ids) and row.organization_id in self.ids)

    def visible(self, rows: QuerySet[Any], *, field: str = "organization_id") -> QuerySet[Any]:
        """Return the rows of these organizations; `field` is the path to a row's organization."""
        return rows if self.ids is None else rows.filter(**{f"{field}__in": sorted(self.ids)})


ALL, NONE = Organizations(None), Organizations(frozenset())


def permitted(user: Any, *permissions: str) -> Organizations:
    """Return the organizations in which the user has one of the permissions."""
    if user.is_superuser:
        return ALL
    if not hasattr(user, "_permissions_by_organization"):
        user._permissions_by_organization = _by_organization(user)
    granted = user._permissions_by_organization.items()
    return Organizations(frozenset(id for id, held in granted if held & set(permissions)))


def _by_organization(user: Any) -> Mapping[str, set[str]]:
    groups = user.groups.values_list(
        "organization__organization_id",
        "permissions__content_type__app_label",
        "permissions__codename",
    )
    found: dict[str, set[str]] = defaultdict(set)
    everywhere = set(user.get_user_permissions())
    for organization_id, app, codename in groups:
        held = everywhere if organization_id is None else found[organization_id]
        held.add(f"{app}.{codename}")
    return {organization_id: held | everywhere for organization_id, held in found.items()}
