"""E-mail addresses with letters of all scripts (RFC 6531), and the backend that sends to them."""

import re
from copy import copy
from email import message_from_bytes
from email.policy import SMTPUTF8
from smtplib import SMTPException
from typing import Any

import idna
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.mail.backends import smtp
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _


class AddressNotSupported(SMTPException):
    """The mail server cannot send to the address. It would refuse every attempt."""


def validate_address(address: str) -> None:
    """Raise ValidationError, unless it is an address to which a mail can be sent."""
    user, at, domain = address.rpartition("@")
    if not user.isprintable():
        raise ValidationError(_("Enter a valid e-mail address."))
    # Django knows the local parts of ASCII only, where every other letter counts like an `a`.
    validate_email(re.sub(r"[^\x00-\x7f]", "a", user) + at + domain)
    try:
        with_ascii_domain(address)
    except idna.IDNAError as error:
        raise ValidationError(_("Enter a valid e-mail address.")) from error


def with_ascii_domain(address: str) -> str:
    """Return the address with its domain as DNS has it: `josé@xn--bcher-kva.example`.

    Raises IDNAError. Django encodes by the rules of 2003, which mistake straße for strasse.
    """
    user, _, domain = address.rpartition("@")
    return address if domain.isascii() else f"{user}@{idna.encode(domain, uts46=True).decode()}"


class SmtpBackend(smtp.EmailBackend):
    """Django's backend, which also sends to addresses such as `josé@bücher.example`.

    Django 5.2 writes such a local part as an encoded word, which is another address. A server needs
    the extension SMTPUTF8 for it; a domain alone needs none. Raises AddressNotSupported.
    """

    def _send(self, email_message: EmailMessage) -> bool:
        message = copy(email_message)
        for name in ("to", "cc", "bcc", "reply_to"):
            setattr(message, name, [*map(with_ascii_domain, getattr(message, name))])
        international = [each for each in message.recipients() if not each.isascii()]
        international += [each for each in message.reply_to if not each.isascii()]
        if not international:
            return bool(super()._send(message))  # type: ignore[misc]  # not in the stubs
        connection: Any = self.connection
        connection.ehlo_or_helo_if_needed()
        if not connection.has_extn("smtputf8"):
            raise AddressNotSupported(
                f"The mail server has no SMTPUTF8, which {international[0]} needs. Use another "
                "address, or another mail server."
            )
        connection.sendmail(
            message.from_email,
            message.recipients(),
            _with_utf8_headers(message),
            mail_options=["SMTPUTF8", "BODY=8BITMIME"],
        )
        return True


def _with_utf8_headers(message: EmailMessage) -> bytes:
    written = message_from_bytes(message.message().as_bytes(), policy=SMTPUTF8)
    for name, addresses in (("To", message.to), ("Cc", message.cc), ("Reply-To", message.reply_to)):
        if addresses:
            written.replace_header(name, ", ".join(addresses))
    return written.as_bytes()
