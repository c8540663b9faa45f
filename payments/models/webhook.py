"""The inbox of the gateways' webhooks."""

from config.core.inbox import InboundWebhook


class GatewayWebhook(InboundWebhook):
    """A verified webhook of a gateway; its subject is the payment's id."""
