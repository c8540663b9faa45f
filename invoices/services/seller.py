"""Who sells."""

from invoices.models import Seller


def set_seller(*, organization_id: str, **profile: str) -> Seller:
    """Name an organization as its invoices are to name it from now on.

    `profile`: name, tax_id, line1, line2, postal_code, city, region, country, email, phone, note.
    """
    seller, _ = Seller.objects.update_or_create(profile, organization_id=organization_id)
    return seller
