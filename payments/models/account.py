"""The payment settings of one organization."""

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class PaymentAccount(models.Model):
    """The account that receives an organization's money, and its rules for payments."""

    organization_id = models.CharField(max_length=64, primary_key=True)
    stripe_account = models.CharField(
        max_length=64,
        null=True,
        blank=True,
        help_text=_(
            "The connected account that receives the organization's card payments: “acct_…”. "
            "If it is blank, the organization takes no card payments."
        ),
        validators=[RegexValidator(r"^acct_[A-Za-z0-9]+$", _("It looks like “acct_1AbC…”."))],
    )
    manual_payment_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text=_(
            "How many days an order waits for a bank transfer. "
            "If it is blank, MANUAL_PAYMENT_DAYS applies."
        ),
        validators=[MinValueValidator(1)],
    )

    invoice_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text=_(
            "Days within which a customer pays who buys on invoice. The order is confirmed before. "
            "If it is blank, customers cannot buy on invoice."
        ),
        validators=[MinValueValidator(1)],
    )
    cash_on_delivery = models.BooleanField(
        default=False,
        db_default=False,
        help_text=_("Whether a customer can pay on delivery. The order is confirmed before."),
    )
    confirm_on_authorization = models.BooleanField(
        default=False,
        db_default=False,
        help_text=_(
            "Whether an order is confirmed as soon as its amount is authorized, "
            "before it is captured."
        ),
    )

    def __str__(self) -> str:
        return self.organization_id
