"""The templates that organizations upload."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Template(models.Model):
    """A Typst template that an organization uploaded. Its documents use it instead of the others.

    It is a row and not a file, so that web and worker processes see it in the same transaction.
    """

    class Document(models.TextChoices):
        """What can be printed; the values are the names of the templates."""

        INVOICE = "invoice", _("Invoice")
        CREDIT_NOTE = "credit_note", _("Credit note")
        PICK_LIST = "pick_list", _("Pick list")
        PACKING_SLIP = "packing_slip", _("Packing slip")
        LABEL = "label", _("Label of the sandbox")

    organization_id = models.CharField(max_length=64)
    document = models.CharField(max_length=16, choices=Document.choices)
    source = models.TextField()
    uploaded_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["organization_id", "document"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "document"],
                name="one_template_per_document",
                violation_error_message=_("The organization has a template for this document."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.document}.typ"
