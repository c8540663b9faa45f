"""The pages of the admin: rows to view, and the commands that change them."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, cast
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db.models import Field, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from unfold.admin import ModelAdmin, TabularInline
from unfold.enums import ActionVariant
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminSelectWidget

from config.admin import bulk, organizations
from config.admin.commands import Command
from config.admin.organizations import Organizations
from config.admin.queues import Queue
from config.api import idempotency
from config.api.models import IdempotencyRecord
from config.core import request_context
from config.core.exceptions import DomainError
from config.core.unit_of_work import unit_of_work

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

Tab = tuple[str | Promise, dict[str, Any]]  # a fieldset

HIDDEN = ("csrfmiddlewaretoken", "key")  # fields of a form that are not its values


class OrganizationAdmin(ModelAdmin):
    """Rows of organizations: an operator sees and changes only those of their own.

    `organization_field` is the path to a row's organization. Where it is None, the rows belong to
    no organization, and only superusers see them. The base class of all pages of the admin.
    """

    organization_field: ClassVar[str | None] = "organization_id"

    def rows(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows of all organizations, with what the pages show of them."""
        return cast(QuerySet[Any], super().get_queryset(request))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the operator's rows: every list, page, command, queue and search starts here.

        So subclasses override `rows` instead.
        """
        rows = self.rows(request).order_by(*self.get_ordering(request))
        seen = self.permitted(request, "view", "change")
        if self.organization_field is None:
            return rows if seen else rows.none()
        return seen.visible(rows, field=self.organization_field)

    def permitted(self, request: HttpRequest, *actions: str) -> Organizations:
        """Return the organizations in which the operator may do one of the actions."""
        names = (get_permission_codename(action, self.opts) for action in actions)
        found = organizations.permitted(
            request.user, *(f"{self.opts.app_label}.{name}" for name in names)
        )
        if self.organization_field is None and found != organizations.ALL:
            return organizations.NONE
        return found

    def _may(self, request: HttpRequest, row: Any, *actions: str) -> bool:
        """Return whether the operator may act on the row, or on rows of some organization."""
        found = self.permitted(request, *actions)
        return bool(found) if row is None else found.cover(row)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, obj, "view", "change")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._may(request, None, "add")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, obj, "change")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, obj, "delete")

    def formfield_for_dbfield(
        self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer the operator's own organizations for a new row."""
        ids = self.permitted(request, "add").ids
        if db_field.name == self.organization_field and ids is not None:
            choices = [(each, each) for each in sorted(ids)]
            return forms.ChoiceField(choices=choices, widget=UnfoldAdminSelectWidget)
        return super().formfield_for_dbfield(db_field, request, **kwargs)


class ReadOnly:
    """An admin in which operators cannot add, edit or delete rows."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, OrganizationAdmin):
    """Read-only rows; operators change them by commands, which call services.

    `commands` are the commands by name, in the order of their buttons; `allowed` returns those that
    a row allows now. `adds` creates a row. `queues` are the rows that need attention. `tabs` follow
    the `fields` of a row. `prints` are documents of a row, by name, with their labels: those of
    many rows are printed as one PDF. A search compares the whole value, because only that uses an
    index.
    """

    commands: ClassVar[Mapping[str, Command]] = {}
    prints: ClassVar[Mapping[str, "tuple[StrPromise, Callable[[Any], bytes]]"]] = {}
    adds: ClassVar[Command | None] = None
    queues: ClassVar[tuple[Queue, ...]] = ()
    tabs: ClassVar[tuple[Tab, ...]] = ()
    icon: ClassVar[str] = "table_rows"

    paginator = InfinitePaginator  # counting a large table takes longer than showing a page of it
    show_full_result_count = False
    list_per_page = 50
    ordering = ["-id"]

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return [f"{name}__exact" for name in self.search_fields]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_fieldsets(request, obj), *self.tabs]

    def has_command_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether the operator may run commands on the row, or on some rows."""
        return self._may(request, obj, "change")

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.adds is not None and bool(self.open_to(request, self.adds))

    def open_to(self, request: HttpRequest, command: Command) -> Organizations:
        """Return the organizations on whose rows the operator may run the command."""
        return self.permitted(request, "change") & command.organizations(request.user)

    def may_run(self, request: HttpRequest, command: Command, row: Any) -> bool:
        """Return whether the operator may run the command on the row."""
        return self.open_to(request, command).cover(row)

    def allowed(self, row: Any) -> list[str]:
        """Return the names of the commands that the row allows now."""
        return list(self.commands)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return what the operator may do with many rows of the list."""
        commands = {
            name: (partial(bulk.run, name), name, command.label)
            for name, command in self.commands.items()
            if command.bulk and self.open_to(request, command)
        }
        prints = {
            name: (partial(bulk.print_rows, render), name, label)
            for name, (label, render) in self.prints.items()
        }
        return commands | prints

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.command_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_command"
        return [path("<path:object_id>/do/<slug:name>/", view, name=name), *super().get_urls()]

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        *args: Any,
        obj: Any = None,
        **kwargs: Any,
    ) -> HttpResponse:
        context["show_history"] = False  # the timeline says more
        if obj:
            context["actions_detail"] = [
                self.button(obj, name)
                for name in self.allowed(obj)
                if self.may_run(request, self.commands[name], obj)
            ]
        return cast(
            HttpResponse,
            super().render_change_form(request, context, *args, obj=obj, **kwargs),
        )

    def button(self, row: Any, name: str) -> dict[str, Any]:
        """Return the button that leads to a command's form."""
        command = self.commands[name]
        return {
            "title": command.label,
            "icon": command.icon,
            "variant": ActionVariant.DANGER if command.ends else ActionVariant.DEFAULT,
            "path": self._url("command", row.pk, name),
        }

    def _url(self, page: str, *args: Any) -> str:
        return reverse(
            f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{page}", args=args
        )

    def command_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Show the form of a command, or run the command."""
        command, row = self.commands.get(name), self.get_object(request, object_id)
        if not self.has_command_permission(request, row):
            raise PermissionDenied
        if command is None:
            raise Http404
        if row is None:
            return cast(
                HttpResponse,
                self._get_obj_does_not_exist_redirect(request, self.opts, object_id),
            )
        if not self.may_run(request, command, row):
            raise PermissionDenied
        return self.ask(request, command, name, row)

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form that creates a row, or create the row."""
        if not (self.adds and self.has_add_permission(request)):
            raise PermissionDenied
        return self.ask(request, self.adds, "add")

    def ask(
        self, request: HttpRequest, command: Command, name: str, row: Any = None
    ) -> HttpResponse:
        """Show the form of a command, or run the command with the submitted values."""
        organization = row.organization_id if row else None
        within = (
            Organizations(frozenset([row.organization_id]))
            if row
            else self.open_to(request, command)
        )
        form = command.form(row, request.POST if request.method == "POST" else None, within=within)
        if form.is_valid():
            request_context.set_actor(request.user.get_username(), organization_id=organization)
            try:
                with unit_of_work():
                    made = None
                    if self._is_first(request, organization or ""):
                        made = command.run(row, form.cleaned_data)
            except DomainError as error:
                form.add_error(None, str(error))
            else:
                about = row or made  # None if a form that adds a row was sent twice
                messages.success(request, str(command.done).format(row=about))
                return redirect(self.after(about) if about else self._url("changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": f"{command.label}: {row}" if row else command.label,
            "opts": self.opts,
            "row": row,
            "form": form,
            "key": request.POST.get("key") or uuid4(),
            "description": command.description,
            "verb": command.label,
            "ends": command.ends,
            "back": self._url("change", row.pk) if row else self._url("changelist"),
        }
        return TemplateResponse(request, "console/command.html", context)

    def _is_first(self, request: HttpRequest, organization_id: str) -> bool:
        """Return whether the form is submitted for the first time, by its hidden key.

        A concurrent submission waits for the record of the first one. Raises KeyReused.
        """
        key = request.POST.get("key", "")
        if not idempotency.KEY.fullmatch(key):
            raise idempotency.KeyReused(gettext("The form is incomplete: reload it."))
        sent = {name: value for name, value in request.POST.items() if name not in HIDDEN}
        fingerprint = sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()
        record, is_new = IdempotencyRecord.objects.get_or_create(
            organization_id=organization_id,
            subject=f"operator {request.user.pk}",
            method="POST",
            path=request.path,
            key=key,
            defaults={"status": 302, "fingerprint": fingerprint},
        )
        if record.fingerprint != fingerprint:
            raise idempotency.KeyReused(
                gettext("This form was already submitted with other values: reload it.")
            )
        return is_new

    def after(self, row: Any) -> str:
        """Return the URL of the page that follows the command."""
        return self._url("change", row.pk)


class Lines(ReadOnly, TabularInline):
    """The parts of an aggregate, read-only. Django's inlines ignore `list_select_related`."""

    list_select_related: ClassVar[tuple[str, ...]] = ()
    extra = 0
    hide_title = True
    show_change_link = False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True  # the permission to view the aggregate is enough

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        related = self.list_select_related
        return rows.select_related(*related) if related else rows


def tab(title: str | Promise, *rows: str | tuple[Any, ...]) -> Tab:
    """Return a tab with rows of fields."""
    return title, {"fields": rows, "classes": ["tab"]}


class PolicyAdmin(OrganizationAdmin):
    """Rules of one organization; a blank field leaves the rule to the settings."""

    icon: ClassVar[str] = "tune"

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["organization_id"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
