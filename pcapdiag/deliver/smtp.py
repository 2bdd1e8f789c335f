"""A `Letter` -> a mail server, by SMTP (RFC 5321). Sent to all recipients or to none, and not tried twice.

`pcapdiag.deliver.send` calls this; with it, it is what opens a socket.
"""

from __future__ import annotations

import smtplib
import ssl
from datetime import datetime
from email.message import EmailMessage

from pcapdiag.deliver import urls
from pcapdiag.deliver.letter import message
from pcapdiag.deliver.secret import Secret
from pcapdiag.deliver.settings import Site
from pcapdiag.deliver.steps import Answer, Letter
from pcapdiag.errors import DeliveryFailed, TicketSettingsError

PORTS = {"starttls": 587, "tls": 465, "none": 25}
"""RFC 6409 and RFC 8314; a relay of one's own on 25."""


def hand_over(letter: Letter, site: Site, secret: Secret | None, tls: ssl.SSLContext, now: datetime) -> Answer:
    """The server's last word; DeliveryFailed where it did not take the letter for everybody."""
    security = site.options.get("security", "starttls")
    if security not in PORTS:
        raise TicketSettingsError(f"security of {site.name} must be one of {', '.join(PORTS)}, not {security!r}")
    made = message(letter, site.options["sender"], now)
    try:
        with _connected(site, security, tls) as server:
            _introduced(server, site, secret, security, tls)
            return _sent(server, site, letter, made)
    except smtplib.SMTPResponseException as error:
        raise DeliveryFailed(f"{site.name} refused the mail: {_reply(error.smtp_code, error.smtp_error)}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise DeliveryFailed(f"{site.name} cannot be reached by SMTP: {str(error) or type(error).__name__}") from None


def _connected(site: Site, security: str, tls: ssl.SSLContext) -> smtplib.SMTP:
    host, port = site.options["host"], site.options.get("port", PORTS[security])
    if security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=site.timeout_s, context=tls)
    return smtplib.SMTP(host, port, timeout=site.timeout_s)


def _introduced(server: smtplib.SMTP, site: Site, secret: Secret | None, security: str, tls: ssl.SSLContext) -> None:
    server.ehlo_or_helo_if_needed()
    if security == "starttls":
        server.starttls(context=tls)
        server.ehlo()
    if site.user:
        if security == "none" and site.options["host"] not in urls.LOOPBACK:
            raise TicketSettingsError(f'{site.name} would send its password in clear: security = "starttls" or "tls"')
        server.login(site.user, secret.reveal() if secret else "")


def _sent(server: smtplib.SMTP, site: Site, letter: Letter, made: EmailMessage) -> Answer:
    octets = made.as_bytes()
    most = server.esmtp_features.get("size", "")
    if most.isdigit() and 0 < int(most) < len(octets):
        raise DeliveryFailed(
            f"{site.name} takes messages of at most {int(most):,} octets, and this one has {len(octets):,}: set max_total_octets"
        )
    sender = site.options["sender"]
    _expect(site, f"the sender {sender}", *server.mail(sender, [f"size={len(octets)}"] if most else []))
    for recipient in (*letter.recipients, *letter.copies):
        _expect(site, recipient, *server.rcpt(recipient))
    try:
        code, reply = server.data(octets)
    except smtplib.SMTPDataError:
        raise  # the server said no
    except (smtplib.SMTPException, OSError) as error:
        raise DeliveryFailed(
            f"{site.name} broke off after the message ({str(error) or type(error).__name__}): "
            "nobody knows whether it took it",
            uncertain=True,
        ) from None
    if code != 250:
        raise DeliveryFailed(f"{site.name} refused the mail: {_reply(code, reply)}")
    return Answer(content=f"{_reply(code, reply)}; Message-ID {made['Message-ID']}".encode())


def _expect(site: Site, what: str, code: int, reply: bytes) -> None:
    if code not in (250, 251):
        raise DeliveryFailed(f"{site.name} refused {what}, so nothing was sent: {_reply(code, reply)}")


def _reply(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(words.split())}"[:300]
