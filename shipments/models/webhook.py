"""The inbox of the carriers' webhooks."""

from config.core.inbox import InboundWebhook


class CarrierWebhook(InboundWebhook):
    """A verified webhook of a carrier; its subject is the tracking number."""
