"""sendmail, as server and client. Settings are options of sendmail.cf: {"Timeout.datablock": "5s"}."""

import os
import re
import select
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from .mail_system import AUTHORITY, CHAIN, CONSOLE, MAILDIR, PRIVATE_KEY, RELAY, MailSystem
from .roots import READER, Owned, Recipe

SPOOL = "/var/spool/mqueue"
SOURCE = "/etc/mail/sendmail.mc"
PRIORITY = re.compile(r"^<\d+>")
DELIVER = "/etc/mail/deliver"

# m4 turns this into sendmail.cf. One queue for root's submissions and the network's: no submit.cf, no second daemon.
CONFIGURATION = """divert(0)dnl
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
VERSIONID(`pcapdiag lab')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `{domain}')dnl
define(`confPID_FILE', `/run/sendmail.pid')dnl
define(`confDEF_USER_ID', `{reader}:{reader}')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confSERVICE_SWITCH_FILE', `/etc/mail/service.switch-lab')dnl
define(`confLOG_LEVEL', `10')dnl
define(`confMIN_QUEUE_AGE', `0')dnl
define(`confQUEUE_LA', `10000')dnl
define(`confREFUSE_LA', `10000')dnl
define(`confDELAY_LA', `0')dnl
define(`confDELIVERY_MODE', `background')dnl
define(`confTO_IDENT', `0')dnl
define(`STATUS_FILE', `/var/lib/sendmail/statistics')dnl
define(`LOCAL_MAILER_PATH', `{deliver}')dnl
define(`LOCAL_MAILER_ARGS', `deliver $u')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`promiscuous_relay')dnl
{relay}{greet_pause}{listen}{tls}LOCAL_DOMAIN(`{domain}')dnl
MAILER(`local')dnl
MAILER(`smtp')dnl
"""
# $PPID tells apart two deliveries in one nanosecond clock tick.
DELIVERY = (
    f"#!/bin/sh\nname=$(date +%s%N).$PPID\ncat > {MAILDIR}/tmp/$name && mv {MAILDIR}/tmp/$name {MAILDIR}/new/$name\n"
)


class Syslog:
    """The socket /dev/log of a root, read by a thread until `close()`: sendmail logs nowhere else."""

    def __init__(self, folder: Path) -> None:
        self._lines: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._wake, self._woken = socket.socketpair()
        held = os.open(folder, os.O_PATH)
        self._socket.bind(f"/proc/self/fd/{held}/log")  # the whole path may be longer than an address may be (108)
        os.close(held)
        (folder / "log").chmod(0o666)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        return "".join(self._lines)

    def close(self) -> None:
        self._wake.close()
        self._thread.join(timeout=5)
        self._socket.close()
        self._woken.close()

    def _read(self) -> None:
        while True:
            readable, _, _ = select.select([self._socket, self._woken], [], [])
            if self._woken in readable:
                return
            line = self._socket.recv(65536).decode(errors="replace")
            self._lines.append(PRIORITY.sub("", line).rstrip("\n\0") + "\n")


@dataclass(kw_only=True)
class Sendmail(MailSystem):
    """sendmail between `with` and its end. Without `listen` it has no daemon: `send()` delivers, `flush()` retries."""

    recipe: ClassVar[Recipe] = Recipe(
        "sendmail",
        ("sendmail-bin",),
        ("smmta", "smmsp"),
        (
            Owned(SPOOL, "root", "smmsp", 0o700),
            Owned("/var/spool/mqueue-client", "smmsp", "smmsp", 0o770),
            Owned("/var/lib/sendmail", "root", "root", 0o755),
        ),
    )

    greet_pause_ms: int = 0
    _syslog: Syslog | None = field(init=False, default=None)

    def __exit__(self, *details: object) -> None:
        super().__exit__(*details)
        if self._syslog:
            self._syslog.close()

    def configure(self) -> None:
        self._syslog = Syslog(self.root.inside("/dev"))
        self.root.write("/etc/mail/service.switch-lab", "hosts files\npasswd files\naliases files\n")
        self.root.write("/etc/mail/local-host-names", "")
        self.root.write("/var/lib/sendmail/statistics", "")
        self.root.write("/etc/mail/access", f"TLS_Srv:{RELAY} VERIFY\n")
        self.root.write("/etc/mail/aliases", "postmaster: root\n")
        self.root.write(DELIVER, DELIVERY, mode=0o755)
        self.root.write(SOURCE, self._source())
        self.root.write("/etc/mail/sendmail.cf", self.root.run(["m4", SOURCE]))
        self.root.run(["sh", "-c", "/usr/libexec/sendmail/makemap hash /etc/mail/access < /etc/mail/access"])
        self.root.run(["/usr/libexec/sendmail/sendmail", "-bi"])  # no mail for local users before there are aliases

    def _source(self) -> str:
        parts = {"relay": "", "greet_pause": "", "listen": "", "tls": ""}
        if self.relay:
            parts["relay"] = (
                f"define(`SMART_HOST', `relay:[{RELAY}]')dnl\n"
                f"define(`RELAY_MAILER_ARGS', `TCP $h {self.relay.port}')dnl\n"
            )
        if self.greet_pause_ms:
            parts["greet_pause"] = f"FEATURE(`greet_pause', `{self.greet_pause_ms}')dnl\n"
        if self.listen:
            for family, address in (("inet", self.host.address4), ("inet6", self.host.address6)):
                options = f"Name={family}, Family={family}, Addr={address}, Port={self.listen}"
                parts["listen"] += f"DAEMON_OPTIONS(`{options}')dnl\n"
        if self.certificate or self.trusts:
            # Without both of these it neither offers nor verifies.
            parts["tls"] = f"define(`confCACERT', `{AUTHORITY}')dnl\ndefine(`confCACERT_PATH', `/etc/lab')dnl\n"
        if self.certificate:
            parts["tls"] += f"define(`confSERVER_CERT', `{CHAIN}')dnl\ndefine(`confSERVER_KEY', `{PRIVATE_KEY}')dnl\n"
        if self.trusts:
            parts["tls"] += "FEATURE(`access_db', `hash /etc/mail/access')dnl\n"
        return CONFIGURATION.format(domain=self.domain, reader=READER, deliver=DELIVER, **parts)

    def _options(self) -> list[str]:
        return [f"-O{key}={value}" for key, value in self.settings.items()]

    def daemon(self) -> Sequence[str]:
        return ["/usr/libexec/sendmail/sendmail", "-bD", *self._options()] if self.listen else []

    def log(self) -> str:
        return self.root.read(CONSOLE) + (self._syslog.text if self._syslog else "")

    def queue(self) -> list[str]:
        return [path.name.removeprefix("qf") for path in self.root.inside(SPOOL).glob("qf*")]

    def submit_command(self) -> Sequence[str]:
        return ["/usr/libexec/sendmail/sendmail", "-Am", *self._options()]

    def flush_command(self) -> Sequence[str]:
        return ["/usr/libexec/sendmail/sendmail", "-Am", "-q", *self._options()]
