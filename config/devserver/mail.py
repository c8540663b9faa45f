"""The embedded run's mail catcher: nobody gets mail, and everybody sees what it would be."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

Show = Callable[[str], None]


class Catcher(BaseEmailBackend):
    """Shows each message in a line, and keeps what is attached, in `var/mail`."""

    show: ClassVar[Show] = staticmethod(print)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            line = f"mail to {', '.join(message.to)}: {message.subject}"
            paths = [keep(attachment) for attachment in message.attachments]
            Catcher.show("\n    ".join([line, *map(os.path.relpath, paths)]))
        return len(email_messages)


def keep(attachment: Any) -> Path:
    """Write an attachment into a file of its name."""
    directory = Path(settings.MEDIA_ROOT).parent / "mail"
    directory.mkdir(parents=True, exist_ok=True)
    path: Path = directory / Path(attachment.filename).name
    path.write_bytes(attachment.content)
    return path
