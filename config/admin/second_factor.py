"""The second factor of an operator: a code from an app (TOTP), or a recovery code, used once."""

from base64 import b32encode
from typing import Any, cast

import django_otp
import segno
from django import forms
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.db import transaction
from django.http import HttpRequest, QueryDict
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

TITLE = _("Second factor")
RECOVERY_CODES = 10
CODE = {"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}
WRONG = _("The code is wrong, or was used already. Wait for the next one.")


def is_missing(user: Any) -> bool:
    """Return whether the operator must still set up, or use, the second factor."""
    return must_be_used(user) or must_be_set_up(user)


def must_be_set_up(user: Any) -> bool:
    """Return whether the operator needs a second factor and has none."""
    is_required: bool = settings.ADMIN_SECOND_FACTOR_REQUIRED
    return is_required and not has_one(user)


def must_be_used(user: Any) -> bool:
    """Return whether the operator has a second factor and has not used it in this session."""
    return not user.is_verified() and has_one(user)


def has_one(user: Any) -> bool:
    """Return whether the operator has set up a second factor; read once a request."""
    if not hasattr(user, "_has_second_factor"):
        user._has_second_factor = TOTPDevice.objects.filter(user=user, confirmed=True).exists()
    return bool(user._has_second_factor)


class LoginForm(AuthenticationForm):
    """Username and password, and the code of those who have set up a second factor."""

    code = forms.CharField(
        required=False,
        max_length=16,
        label=_("Code"),
        help_text=_("From your app, or a recovery code, if you have set up a second factor."),
        widget=UnfoldAdminTextInputWidget(CODE),
    )

    def clean_username(self) -> str:
        """Django enforces no length, and a failed login cannot be recorded with a longer one."""
        username: str = self.cleaned_data["username"]
        if len(username) > cast(int, User._meta.get_field("username").max_length):
            raise self.get_invalid_login_error()
        return username

    def clean(self) -> dict[str, Any]:
        cleaned = cast(dict[str, Any], super().clean())
        user = self.get_user()
        if user and has_one(user):
            code = cleaned.get("code", "").replace(" ", "").lower()
            if not code:
                raise forms.ValidationError(_("Enter the code of your second factor too."))
            user.otp_device = _verified(user, code)
            if user.otp_device is None:
                _count_failure(self.request, user)
                raise forms.ValidationError(WRONG)
        return cleaned


def _verified(user: Any, code: str) -> Any:
    """Return the device that accepts the code: the app, or the list of recovery codes."""
    models = TOTPDevice if code.isdecimal() else StaticDevice
    device = models.objects.filter(user=user, confirmed=True).first()
    return device and django_otp.verify_token(user, device.persistent_id, code)


def _count_failure(request: HttpRequest, user: Any) -> None:
    """Count a wrong code like a wrong password."""
    credentials = {"username": user.get_username()}
    user_login_failed.send(__name__, credentials=credentials, request=request)


def pending(user: Any) -> TOTPDevice:
    """Return the operator's new device, which the first code of its app confirms."""
    return TOTPDevice.objects.get_or_create(user=user, confirmed=False)[0]


def secret(device: TOTPDevice) -> str:
    """Return the secret for typing, in groups of four."""
    text = b32encode(device.bin_key).decode()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def qr_code(device: TOTPDevice) -> SafeString:
    """Return an SVG image of the secret for scanning."""
    svg = segno.make(device.config_url).svg_inline(scale=4, light="white")
    return mark_safe(svg)


class SetUp(forms.Form):
    """The password again, so that a session alone cannot change the second factor, and a code."""

    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        widget=UnfoldAdminPasswordWidget({"autocomplete": "current-password"}),
    )
    code = forms.CharField(
        label=_("Code from the app"), max_length=16, widget=UnfoldAdminTextInputWidget(CODE)
    )

    def __init__(self, request: HttpRequest, device: TOTPDevice, sent: QueryDict | None) -> None:
        super().__init__(sent)
        self._request, self._device = request, device

    def clean_password(self) -> None:
        password = self.cleaned_data["password"]
        username = self._request.user.get_username()
        if authenticate(self._request, username=username, password=password) is None:
            raise forms.ValidationError(_("The password is wrong."))

    def clean_code(self) -> None:
        if self.errors:
            return
        code = self.cleaned_data["code"].replace(" ", "")
        if not django_otp.verify_token(self._device.user, self._device.persistent_id, code):
            raise forms.ValidationError(WRONG)


@transaction.atomic
def confirm(request: HttpRequest, device: TOTPDevice) -> list[str]:
    """Make the device the operator's only one, and return new recovery codes."""
    user = device.user
    TOTPDevice.objects.filter(user=user).exclude(pk=device.pk).delete()
    TOTPDevice.objects.filter(pk=device.pk).update(confirmed=True)
    device.confirmed = True
    StaticDevice.objects.filter(user=user).delete()
    recovery = StaticDevice.objects.create(user=user)
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    recovery.token_set.bulk_create(StaticToken(device=recovery, token=code) for code in codes)
    django_otp.login(request, device)
    return codes
