"""What an organization decides for itself."""

from orders.models import Policy


def set_policy(*, organization_id: str, reservation_ttl_minutes: int | None) -> Policy:
    """Override the settings for one organization; None leaves a rule to them."""
    values = {"reservation_ttl_minutes": reservation_ttl_minutes}
    policy, _ = Policy.objects.update_or_create(values, organization_id=organization_id)
    return policy
