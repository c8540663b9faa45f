"""The templates of documents in the admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import ProhibitNullCharactersValidator
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget

from config.admin.documents import BUSY, printed
from config.admin.pages import OrganizationAdmin
from config.api import bulkheads
from config.pdf.models import Template
from config.pdf.rendering import NotPrintable, try_out

MAX_SIZE = 500_000  # bytes; a logo in it is an SVG


class TemplateForm(forms.ModelForm):
    """A file, which is stored if an example of the document can be printed with it."""

    file = forms.FileField(
        label=_("File"),
        help_text=_(
            "A Typst template, such as those in config/pdf/templates. It is tried out before it "
            "is stored. Documents that are issued already do not change."
        ),
        widget=UnfoldAdminFileFieldWidget,
    )

    def clean_file(self) -> str:
        """Return the text of the file."""
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > MAX_SIZE:
            raise forms.ValidationError(_("The file is larger than 500 kB."))
        try:
            source = str(file.read(), "utf-8")
        except UnicodeDecodeError:
            raise forms.ValidationError(_("The file is not a text in UTF-8.")) from None
        ProhibitNullCharactersValidator()(source)
        return source

    def clean(self) -> dict[str, Any]:
        """Print the example of the document."""
        if self.errors:
            return self.cleaned_data
        # On the page of a stored template, its organization and document are not in the form.
        given = {**vars(self.instance), **self.cleaned_data}
        document, organization_id = given["document"], given["organization_id"]
        self.instance.source = given["file"]
        try:
            with bulkheads.rendering_of(organization_id):
                try_out(document, self.instance.source, organization_id=organization_id)
        except bulkheads.Busy:
            self.add_error("file", BUSY)
        except NotPrintable as error:
            self.add_error("file", str(error))
        return self.cleaned_data


@admin.register(Template)
class TemplateAdmin(OrganizationAdmin):
    """A new file replaces the old one; without the row, the service's template is used again."""

    icon = "draft"
    form = TemplateForm
    list_display = ["document", "organization_id", "uploaded_at"]
    list_filter = ["document"]
    search_fields = ["organization_id__exact"]
    search_help_text = _("A full organization id")

    def get_fields(self, request: HttpRequest, obj: Template | None = None) -> list[str]:
        shown = ["uploaded_at", "example", "text"] if obj else []
        may_upload = obj is None or self.has_change_permission(request, obj)
        return ["organization_id", "document", *(["file"] if may_upload else []), *shown]

    def get_readonly_fields(self, request: HttpRequest, obj: Template | None = None) -> list[str]:
        return ["organization_id", "document", "uploaded_at", "example", "text"] if obj else []

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.example_view)
        return [
            path("<path:object_id>/example/", view, name="pdf_template_example"),
            *super().get_urls(),
        ]

    @admin.display(description=_("example"))
    def example(self, template: Template) -> SafeString:
        url = reverse("admin:pdf_template_example", args=[template.pk])
        return format_html(
            '<a href="{}" class="console-link" target="_blank">{}</a>', url, gettext("Print")
        )

    @admin.display(description=_("template"))
    def text(self, template: Template) -> SafeString:
        return format_html('<pre class="console-code">{}</pre>', template.source)

    def example_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return the example of the document as PDF to operators who may view the template."""
        template = self.get_object(request, object_id)
        if not self.has_view_permission(request, template):
            raise PermissionDenied
        if template is None:
            raise Http404
        organization_id, document = template.organization_id, template.document
        return printed(
            request,
            lambda: try_out(document, template.source, organization_id=organization_id),
            organization_id=organization_id,
            name=document,
            back=reverse("admin:pdf_template_change", args=[template.pk]),
        )
