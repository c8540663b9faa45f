"""The baseline of the relay: py-amqp alone, with messages in memory and without a database."""

from collections.abc import Iterable
from typing import Any

import amqp
from django.conf import settings

from events.delivery.broker import connect, routing_key
from events.delivery.publisher import APP_ID, Message


class Bare:
    """A channel in confirm mode that counts the confirmed messages."""

    def __init__(self) -> None:
        self.connection = connect()
        self.channel: Any = self.connection.channel()
        self.channel.confirm_select()
        self.channel.events["basic_ack"].add(self._confirm)
        self.sent = self.confirmed = 0

    def _confirm(self, tag: int, multiple: bool) -> None:
        self.confirmed = tag if multiple else self.confirmed + 1

    def publish(self, messages: Iterable[Message], window: int) -> None:
        """Send all messages, at most `window` of them unconfirmed, and wait for the confirms."""
        for message in messages:
            self._publish(message)
            while self.sent - self.confirmed >= window:
                self.connection.drain_events()
        while self.confirmed < self.sent:
            self.connection.drain_events()

    def _publish(self, message: Message) -> None:
        headers = {
            "CC": [message.name],
            "x-stream": message.stream,
            "x-sequence": message.sequence,
            "x-version": message.version,
        }
        sent = amqp.Message(
            message.body.encode(),
            content_type="application/json",
            content_encoding="utf-8",
            application_headers=headers,
            delivery_mode=2,
            message_id=message.id,
            type=message.name,
            app_id=APP_ID,
            timestamp=message.timestamp,
        )
        self.channel.basic_publish(sent, settings.EVENTS_EXCHANGE, routing_key(message.name))
        self.sent += 1
