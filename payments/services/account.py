"""What an organization decides for itself."""

from payments.models import PaymentAccount


def set_account(
    *, organization_id: str, stripe_account: str | None, manual_payment_days: int | None
) -> PaymentAccount:
    """Say where an organization's money goes, and how long it waits for a transfer."""
    values = {"stripe_account": stripe_account, "manual_payment_days": manual_payment_days}
    account, _ = PaymentAccount.objects.update_or_create(values, organization_id=organization_id)
    return account
