"""Operators and their groups: who may log in, and what they may do."""

from typing import Any

from axes.models import AccessFailureLog
from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_static import admin as _static  # noqa: F401  (they register
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp import admin as _totp  # noqa: F401  themselves)
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.admin import TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from config.admin.models import GroupOrganization
from config.admin.pages import OrganizationAdmin, ReadOnlyAdmin

apps.get_app_config("auth").verbose_name = "Operators"
apps.get_app_config("axes").verbose_name = "Logins"
admin.site.unregister(User)
admin.site.unregister(Group)
admin.site.unregister([StaticDevice, TOTPDevice])  # their pages show secrets


class SecondFactor(TabularInline):
    """The second factor of a user. A superuser deletes that of a user who has lost it."""

    model = TOTPDevice
    verbose_name_plural = _("second factor")
    fields = readonly_fields = ["created_at", "last_used_at"]

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[TOTPDevice]:
        rows: QuerySet[TOTPDevice] = super().get_queryset(request)
        return rows.filter(confirmed=True)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, OrganizationAdmin):
    """Users are not deleted but made inactive, so that their actions keep their name."""

    organization_field = None  # superusers decide who works for which organization
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    icon = "person"
    actions = None

    def get_inlines(self, request: HttpRequest, obj: Model | None) -> Any:
        return [SecondFactor] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class GroupForm(forms.ModelForm):
    """A group, and the organization that it belongs to."""

    organization_id = forms.CharField(
        required=False,
        max_length=64,
        label=_("Organization id"),
        help_text=_(
            "Members see this organization, and the group's permissions count in it only. Leave it "
            "blank for a role, whose permissions count in all organizations of its members."
        ),
        widget=UnfoldAdminTextInputWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["organization_id"] = getattr(self.instance, "organization", "")


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, OrganizationAdmin):
    organization_field = None
    icon = "group"
    form = GroupForm
    fields = ["name", "organization_id", "permissions"]
    list_display = ["name", "organization"]
    list_select_related = ["organization"]

    @admin.display(description=_("organization"), empty_value="-")
    def organization(self, group: Group) -> GroupOrganization | None:
        return getattr(group, "organization", None)

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        GroupOrganization.objects.filter(group=obj).delete()
        if organization_id := form.cleaned_data["organization_id"]:
            GroupOrganization.objects.create(group=obj, organization_id=organization_id)


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
