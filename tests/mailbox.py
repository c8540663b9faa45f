"""A real mail server that keeps the mails it receives."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any


class Mailbox:
    """The handler of the server. It refuses the addresses in `refused` and `too_large`."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.refused: set[str] = set()
        self.too_large: set[str] = set()

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address in self.refused:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.too_large & set(envelope.rcpt_tos):
            return "552 5.3.4 message size exceeds the limit"
        self.recipients += envelope.rcpt_tos
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"
