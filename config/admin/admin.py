"""Operators and their groups: who may log in, and what they may do."""

from axes.models import AccessFailureLog
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import StackedInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from config.admin.models import GroupOrganization
from config.admin.pages import OrganizationAdmin, ReadOnlyAdmin

apps.get_app_config("auth").verbose_name = "Operators"
apps.get_app_config("axes").verbose_name = "Logins"
admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, OrganizationAdmin):
    """Users are not deleted but made inactive, so that their actions keep their name."""

    organization_field = None  # superusers decide who works for which organization
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    icon = "person"
    actions = None

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class OrganizationOfGroup(StackedInline):
    model = GroupOrganization
    verbose_name_plural = _("organization")


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, OrganizationAdmin):
    organization_field = None
    icon = "group"
    inlines = [OrganizationOfGroup]
    list_display = ["name", "organization"]
    list_select_related = ["organization"]

    @admin.display(description=_("organization"), empty_value="-")
    def organization(self, group: Group) -> GroupOrganization | None:
        return getattr(group, "organization", None)


@admin.register(AccessFailureLog)
class FailedLoginAdmin(ReadOnlyAdmin):
    """Who failed to log in. Where it is locked out, the attempt was refused without a look."""

    organization_field = None
    icon = "gpp_bad"
    list_display = ["attempt_time", "username", "ip_address", "locked_out", "user_agent"]
    list_filter = ["locked_out", "attempt_time"]
    search_fields = ["username", "ip_address"]
    search_help_text = _("A full username or address")
    fields = [
        ("attempt_time", "locked_out"),
        ("username", "ip_address"),
        ("user_agent", "path_info"),
    ]
