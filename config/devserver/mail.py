"""The mail backend of DEBUG: it sends nothing, and saves attachments to `var/mail`."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class ConsoleBackend(BaseEmailBackend):
    """Writes a line for each mail instead of sending it, and saves its attachments."""

    write_line: ClassVar[Callable[[str], None]] = staticmethod(print)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        directory = Path(settings.MEDIA_ROOT).parent / "mail"
        directory.mkdir(parents=True, exist_ok=True)
        for message in email_messages:
            lines = [f"mail to {', '.join(message.to)}: {message.subject}"]
            for attachment in message.attachments:
                path = directory / Path(attachment.filename).name
                path.write_bytes(attachment.content)
                lines.append(os.path.relpath(path))
            ConsoleBackend.write_line("\n    ".join(lines))
        return len(email_messages)
