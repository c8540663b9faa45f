"""How an organization works with its carriers."""

from shipments.models import CarrierAccount


def set_account(
    *, organization_id: str, carrier: str, adapter: str, account: str | None
) -> CarrierAccount:
    """Say which adapter speaks to a carrier, in whatever case its name is written.

    Shipments that are there already keep theirs.
    """
    values = {"carrier": carrier, "adapter": adapter, "account": account}
    made, _ = CarrierAccount.objects.update_or_create(
        values, organization_id=organization_id, carrier__iexact=carrier
    )
    return made
