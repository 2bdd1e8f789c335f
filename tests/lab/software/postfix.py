"""Postfix, as server, client, LMTP client or postscreen. Settings are main.cf's: {"smtp_data_done_timeout": "5s"}."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from .mail_system import AUTHORITY, CHAIN, CONSOLE, MAILDIR, PRIVATE_KEY, RELAY, MailSystem
from .roots import READER, Owned, Recipe

SPOOL = "/var/spool/postfix"
QUEUES = ("maildrop", "incoming", "active", "deferred")
PRIVATE_FOLDERS = (*QUEUES[1:], "bounce", "corrupt", "defer", "flush", "hold", "private", "saved", "trace")

# The services of Debian's master.cf that a lab needs, none of them in a chroot of its own: the root is one already.
SERVICES = """
pickup     unix  n - n 1 1 pickup
cleanup    unix  n - n - 0 cleanup
qmgr       unix  n - n 300 1 qmgr
tlsmgr     unix  - - n 1000? 1 tlsmgr
rewrite    unix  - - n - - trivial-rewrite
bounce     unix  - - n - 0 bounce
defer      unix  - - n - 0 bounce
trace      unix  - - n - 0 bounce
verify     unix  - - n - 1 verify
flush      unix  n - n 1000? 0 flush
proxymap   unix  - - n - - proxymap
smtp       unix  - - n - - smtp
lmtp       unix  - - n - - lmtp
relay      unix  - - n - - smtp
showq      unix  n - n - - showq
error      unix  - - n - - error
retry      unix  - - n - - error
discard    unix  - - n - - discard
virtual    unix  - n n - - virtual
anvil      unix  - - n - 1 anvil
scache     unix  - - n - 1 scache
dnsblog    unix  - - n - 0 dnsblog
tlsproxy   unix  - - n - 0 tlsproxy
postlog    unix-dgram n - n - 1 postlogd
"""


@dataclass(kw_only=True)
class Postfix(MailSystem):
    """Postfix between `with` and its end."""

    recipe: ClassVar[Recipe] = Recipe(
        "postfix",
        ("postfix",),
        ("postfix", "postdrop"),
        (
            Owned("/usr/sbin/postdrop", "root", "postdrop", 0o2555),
            Owned("/usr/sbin/postqueue", "root", "postdrop", 0o2555),
            Owned("/var/lib/postfix", "postfix", "postfix", 0o755),
            Owned(f"{SPOOL}/pid", "root", "root", 0o755),
            Owned(f"{SPOOL}/maildrop", "postfix", "postdrop", 0o1730),
            Owned(f"{SPOOL}/public", "postfix", "postdrop", 0o2710),
            *(Owned(f"{SPOOL}/{name}", "postfix", "root", 0o700) for name in PRIVATE_FOLDERS),
        ),
    )

    protocol: str = "smtp"  # to the relay; or lmtp
    postscreen: bool = False  # in front of smtpd
    delivery_fails: bool = False  # mail for its own domain is accepted, and bounces

    def configure(self) -> None:
        main = {**self._main(), **self.settings}
        self.root.write("/etc/postfix/main.cf", "".join(f"{key} = {value}\n" for key, value in main.items()))
        master = SERVICES
        if self.listen and self.postscreen:
            master += f"{self.listen} inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n"
        elif self.listen:
            master += f"{self.listen} inet n - n - - smtpd\n"
        self.root.write("/etc/postfix/master.cf", master)
        for name in ("main.cf", "master.cf"):  # Postfix waits two seconds for a file that may still change
            os.utime(self.root.inside(f"/etc/postfix/{name}"), (0, 0))

    def _main(self) -> Mapping[str, str]:
        number = str(self.recipe.identity(READER))
        main = {
            "compatibility_level": "3.6",
            "maillog_file": "/var/log/postfix.log",  # postlogd: there is no syslog in the root
            "myhostname": self.domain,
            "mydestination": "",
            "inet_interfaces": "all",
            "inet_protocols": "all",
            "mynetworks": "127.0.0.0/8, [::1]/128" + (", 0.0.0.0/0, [::]/0" if self.listen and self.relay else ""),
            "smtp_host_lookup": "native",
            "disable_dns_lookups": "yes",
            "alias_maps": "",
            "virtual_mailbox_domains": self.domain,
            "virtual_mailbox_maps": "static:Maildir/",
            "virtual_mailbox_base": MAILDIR.rpartition("/")[0],
            "virtual_uid_maps": f"static:{number}",
            "virtual_gid_maps": f"static:{number}",
            "virtual_transport": "error:5.3.0 no room in the lab" if self.delivery_fails else "virtual",
            "maximal_backoff_time": "10s",  # no retry is further away than a test waits
            "minimal_backoff_time": "5s",
            "queue_run_delay": "5s",
        }
        if self.delivery_fails:
            main["smtpd_reject_unlisted_recipient"] = "no"  # it is to fail after the message was accepted
        if self.relay:
            main["default_transport"] = f"{self.protocol}:[{RELAY}]:{self.relay.port}"
        if self.certificate:
            main |= {
                "smtpd_tls_security_level": "may",
                "smtpd_tls_chain_files": f"{PRIVATE_KEY}, {CHAIN}",
            }
        if self.trusts:
            main |= {
                "smtp_tls_security_level": "verify",
                "smtp_tls_CAfile": AUTHORITY,
                "smtp_tls_verify_cert_match": "nexthop",
            }
        return main

    def daemon(self) -> Sequence[str]:
        return ["/usr/lib/postfix/sbin/master", "-s"]  # what `postfix start-fg` ends in, after a second of checks

    def ready(self) -> bool:
        return super().ready() and self.root.inside(f"{SPOOL}/public/pickup").exists()

    def log(self) -> str:
        return self.root.read(CONSOLE) + self.root.read("/var/log/postfix.log")

    def queue(self) -> list[str]:
        spool = self.root.inside(SPOOL)
        return [path.name for name in QUEUES for path in (spool / name).rglob("*") if path.is_file()]

    def flush_command(self) -> Sequence[str]:
        return ["/usr/sbin/postqueue", "-f"]
