"""The site of the admin: Unfold's, with a second factor."""

from typing import Any, cast

from django.contrib.auth import REDIRECT_FIELD_NAME, authenticate
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from unfold.sites import UnfoldAdminSite

from config.admin import second_factor


class Site(UnfoldAdminSite):
    """A site where an operator who has set up a second factor must use it in each session."""

    login_template = "console/login.html"

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and not second_factor.is_missing(request.user)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Log in. Who is logged in, but must set up a second factor first, is sent there."""
        is_staff = super().has_permission(request)
        if request.method == "GET" and is_staff and second_factor.must_be_set_up(request.user):
            return redirect("admin:second_factor")
        return cast(HttpResponse, super().login(request, extra_context))

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Change the operator's password. A wrong old one counts as a failed login.

        Otherwise a session alone could guess it.
        """
        if request.method == "POST":
            old = request.POST.get("old_password", "")
            username = request.user.get_username()
            is_right = authenticate(request, username=username, password=old)
            if not is_right and getattr(request, "axes_locked_out", False):
                return redirect("admin:password_change")  # axes responds instead
        return cast(HttpResponse, super().password_change(request, extra_context))

    def extra_urls(self) -> list[URLPattern]:
        view = never_cache(csrf_protect(self.second_factor))
        return [path("second-factor/", view, name="second_factor")]

    def second_factor(self, request: HttpRequest) -> HttpResponse:
        """Show a new secret, and confirm it by its first code. Then show the recovery codes once.

        An operator who has a second factor already must have used it in this session.
        """
        is_staff = super().has_permission(request)
        if not is_staff or second_factor.must_be_used(request.user):
            return redirect_to_login(
                request.get_full_path(), reverse("admin:login"), REDIRECT_FIELD_NAME
            )
        device = second_factor.pending(request.user)
        sent = request.POST if request.method == "POST" else None
        form = second_factor.SetUp(request, device, sent)
        codes = second_factor.confirm(request, device) if form.is_valid() else None
        context = {
            **self.each_context(request),
            "title": second_factor.TITLE,
            "form": form,
            "device": device,
            "codes": codes,
            "qr_code": second_factor.qr_code(device),
            "secret": second_factor.secret(device),
            "has_another": bool(request.user.otp_device) and not codes,  # type: ignore[union-attr]
        }
        return TemplateResponse(request, "console/second_factor.html", context)
