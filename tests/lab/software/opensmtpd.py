"""OpenSMTPD, as server and client. Settings are lines of smtpd.conf: {"smtp max-message-size": "1M"}.

Debian 12 builds OpenSMTPD 6.8 with OpenSSL 3, which it does not know (its issue 1171): a server with a certificate
offers STARTTLS, and breaks off every handshake with an alert and FIN. As a client it speaks TLS well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .mail_system import AUTHORITY, CHAIN, CONSOLE, MAILDIR, PRIVATE_KEY, RELAY, MailSystem
from .roots import READER, Owned, Recipe

SPOOL = "/var/spool/smtpd"
CONFIGURATION = "/etc/smtpd.conf"


@dataclass(kw_only=True)
class OpenSmtpd(MailSystem):
    """OpenSMTPD between `with` and its end; a client runs its daemon too, and listens to itself alone."""

    recipe: ClassVar[Recipe] = Recipe(
        "opensmtpd",
        ("opensmtpd",),
        ("opensmtpd", "opensmtpq"),
        (
            Owned("/usr/sbin/smtpctl", "root", "opensmtpq", 0o2755),
            Owned("/var/lib/opensmtpd/empty", "root", "root", 0o755),
        ),
    )

    def configure(self) -> None:
        lines = [f"{key} {value}" for key, value in self.settings.items()]
        self.root.write(CONFIGURATION, "\n".join([*lines, *self._who_goes_where()]) + "\n")
        self.root.folder("/var/spool")

    def _who_goes_where(self) -> list[str]:
        lines = (
            [f'pki {self.domain} cert "{CHAIN}"', f'pki {self.domain} key "{PRIVATE_KEY}"'] if self.certificate else []
        )
        if self.trusts:
            lines.append(f'ca authorities cert "{AUTHORITY}"')
        if self.listen:
            tls = f" tls pki {self.domain}" if self.certificate else ""
            for address in (self.host.address4, self.host.address6):
                lines.append(f"listen on {address} port {self.listen}{tls} hostname {self.domain}")
        else:
            lines.append("listen on socket")
        lines.append(f'action "mailbox" maildir "{MAILDIR}" user {READER}')
        lines.append(f'match from any for domain "{self.domain}" action "mailbox"')
        if self.relay:
            scheme = "smtp+tls" if self.trusts else "smtp"
            host = f"{scheme}://{RELAY}:{self.relay.port}"
            verify = " ca authorities" if self.trusts else ""
            lines.append(f'action "relay" relay host {host}{verify} helo {self.domain}')
            lines.append('match from any for any action "relay"')
        return lines

    def daemon(self) -> Sequence[str]:
        return ["/usr/sbin/smtpd", "-d", "-f", CONFIGURATION]

    def ready(self) -> bool:
        return super().ready() and self.root.inside("/run/smtpd.sock").exists()

    def log(self) -> str:
        return self.root.read(CONSOLE)

    def queue(self) -> list[str]:
        """Message folders are named by the message's number, in folders named by its first octet."""
        return [path.name for path in self.root.inside(f"{SPOOL}/queue").glob("*/*")]

    def flush_command(self) -> Sequence[str]:
        return ["/usr/sbin/smtpctl", "schedule", "all"]
