"""What payments hold about a person. The digits of a card stay: books need them."""

from django.db.models import Q

from events.people import holds
from payments.models import Attempt, GatewayWebhook, Payment, Refund

holds(
    Payment,
    "order",
    erase={"client_secret": None, "last_error": ""},
    hide=["client_secret"],
)
holds(Attempt, "payment__order", erase={"token": None, "error_message": ""}, hide=["token"])
holds(Refund, "payment__order", erase={"error_message": ""})
holds(
    GatewayWebhook,
    lambda streams: Q(
        subject__in=Payment.objects.filter(order__in=streams).values("pk"), due_at=None
    ),
    erase={"payload": ""},
)
