"""What all mail servers have in common: a host, a root, and how they start, send, are looked into and end.

    MailSystem(host, domain, listen=, relay=, ...)  --start()-->  its processes, listening on the host
    Message  --send()-->  its queue  --the software, or flush()-->  sessions with the relay
    mail for its own domain  -->  inbox(): one text per message

The same object is a server (`listen`), a client (`relay`) or both. Mail for another domain goes to the relay; bounces
to a sender of its own domain go to its own inbox, and make no second session.
"""

import contextlib
import shlex
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

from ..network import Host, LabError
from .roots import READER, Recipe, Root

START_S = 15.0  # a daemon that does not listen by then never will
STEP_S = 0.02
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}  # nothing of the caller's
MAILDIR = f"/home/{READER}/Maildir"
RELAY = "relay.example"  # the name of the relay for its clients, which its certificate must be for
CONSOLE = "/var/log/console"  # what its processes print
PRIVATE_KEY, CHAIN, AUTHORITY = "/etc/lab/key.pem", "/etc/lab/chain.pem", "/etc/lab/authority.pem"


class Endpoint(NamedTuple):
    """Where to connect to."""

    address: str
    port: int = 25


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM: a server's key, its chain, and the authority that signed it."""

    key: bytes
    chain: bytes
    authority: bytes

    @classmethod
    def issue(cls, *names: str) -> Self:
        """A new certificate for host names or addresses, by a new authority."""
        import trustme  # noqa: PLC0415  (needed for TLS only)

        authority = trustme.CA()
        issued = authority.issue_cert(*names)
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        return cls(issued.private_key_pem.bytes(), chain, authority.cert_pem.bytes())


@dataclass(frozen=True, slots=True)
class Message:
    """Mail to send. Its subject tells it from others in an inbox; `size` octets of body, in lines."""

    subject: str
    sender: str = "sender@client.example"
    recipients: Sequence[str] = (f"{READER}@server.example",)
    size: int = 600

    @property
    def text(self) -> str:
        line = "The quick brown fox jumps over the lazy dog, and writes home about it.\n"
        head = (
            f"From: <{self.sender}>\nTo: <{'>, <'.join(self.recipients)}>\nSubject: {self.subject}\n"
            "Date: Mon, 02 Mar 2026 10:00:00 +0000\nMessage-ID: <1@client.example>\n\n"
        )
        return head + line * (self.size // len(line) + 1)


@dataclass(kw_only=True)
class MailSystem(ABC):
    """One mail software on one host. `settings` go into its configuration as they are, and win over what we write."""

    recipe: ClassVar[Recipe]

    host: Host
    domain: str
    listen: int | None = None
    relay: Endpoint | None = None
    certificate: Certificate | None = None  # to offer STARTTLS with
    trusts: bytes | None = None  # authorities (PEM) that the relay's certificate must come from
    settings: Mapping[str, str] = field(default_factory=dict)
    root: Root = field(init=False)
    process: subprocess.Popen[bytes] | None = field(init=False, default=None)

    def __enter__(self) -> Self:
        self.root = Root(self.recipe)
        try:
            self._lay_out()
            self.configure()
            self.start()
        except BaseException:
            self.root.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.root.close()
        if self.process:
            self.process.wait(timeout=5)

    # What each software does in its own way

    @abstractmethod
    def configure(self) -> None:
        """Writes its configuration."""

    @abstractmethod
    def daemon(self) -> Sequence[str]:
        """The command that runs it in the foreground; nothing, where a client needs none."""

    @abstractmethod
    def log(self) -> str:
        """What it logged so far."""

    @abstractmethod
    def queue(self) -> list[str]:
        """A name for each message that it still wants to deliver."""

    @abstractmethod
    def flush_command(self) -> Sequence[str]:
        """The command that retries all of the queue at once."""

    def submit_command(self) -> Sequence[str]:
        """The command that takes a message on its stdin, with sendmail's options."""
        return ["/usr/sbin/sendmail"]

    # What is the same for all

    def start(self) -> None:
        argv = self.daemon()
        if not argv:
            return
        self.process = self._spawn(argv)
        process = self.process
        self._wait(lambda: self.ready() or process.poll() is not None, f"does not listen on port {self.listen}")
        if process.poll() is not None:
            raise LabError(f"{self.recipe.name} ended at once: {self.log()[-800:]}")

    def ready(self) -> bool:
        """Takes connections, if it is to listen."""
        return not self.listen or listens(self.process, self.listen)

    def stop(self) -> None:
        """Asks all its processes to end (SIGTERM), as systemd does, and makes them after a while."""
        self.root.end_processes(signal.SIGTERM)

    def kill(self) -> None:
        """Ends all its processes at once (SIGKILL): what is left to say, the kernel says."""
        self.root.end_processes(signal.SIGKILL)

    def send(self, message: Message) -> None:
        """Into its queue, as a local user would. What comes then is up to the software."""
        self.root.write("/tmp/message", message.text)
        argv = [*self.submit_command(), "-i", "-f", message.sender, "--", *message.recipients]
        self.command(["sh", "-c", f"exec {shlex.join(argv)} < /tmp/message"])

    def flush(self) -> None:
        """Retries all of the queue now, which is what a storm of retries is made of. OpenSMTPD takes 5 s for each."""
        self._spawn(self.flush_command())

    def inbox(self) -> list[str]:
        """The messages that it delivered to its own users."""
        folder = self.root.inside(MAILDIR) / "new"
        return [path.read_text(errors="replace") for path in sorted(folder.glob("*"))]

    def delivered(self, subject: str) -> bool:
        return any(f"\nSubject: {subject}\n" in text for text in self.inbox())

    def wait_delivered(self, subject: str, timeout_s: float = 15.0) -> None:
        self._wait(lambda: self.delivered(subject), f"did not deliver {subject!r}", timeout_s)

    def wait_logged(self, words: str, timeout_s: float = 15.0) -> None:
        self._wait(lambda: words in self.log(), f"did not log {words!r}", timeout_s)

    def wait_idle(self, timeout_s: float = 15.0) -> None:
        self._wait(lambda: not self.queue(), "still has mail in its queue", timeout_s)

    def command(self, argv: Sequence[str], timeout_s: float = 20.0) -> None:
        """A command on the host, in the root, to its end."""
        process = self._spawn(argv)
        if process.wait(timeout=timeout_s):
            raise LabError(f"{self.recipe.name}: {argv[-1]} failed: {self.root.read(CONSOLE)[-500:]}")

    def _spawn(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        return self.host.spawn(self.root.entering(argv), env=ENVIRONMENT, log=self.root.inside(CONSOLE))

    def _lay_out(self) -> None:
        """Names and certificates, which all software reads from the same places."""
        hosts = "127.0.0.1 localhost\n::1 localhost\n"
        hosts += f"{self.host.address4} {self.domain}\n{self.host.address6} {self.domain}\n"
        if self.relay:
            hosts += f"{self.relay.address} {RELAY}\n"
        self.root.write("/etc/hosts", hosts)
        self.root.write("/etc/hostname", f"{self.domain}\n")
        self.root.write("/etc/mailname", f"{self.domain}\n")
        for folder in ("", "/new", "/cur", "/tmp"):
            self.root.folder(MAILDIR + folder, READER, 0o700)
        if self.certificate:
            self.root.write(CHAIN, self.certificate.chain)
            self.root.write(PRIVATE_KEY, self.certificate.key, mode=0o600)
        authority = self.trusts or (self.certificate and self.certificate.authority)
        if authority:
            self.root.write(AUTHORITY, authority)

    def _wait(self, condition: Callable[[], bool], complaint: str, timeout_s: float = START_S) -> None:
        until = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > until:
                raise LabError(f"{self.recipe.name} {complaint} after {timeout_s:g} s. It logged: {self.log()[-800:]}")
            time.sleep(STEP_S)


def listens(process: subprocess.Popen[bytes] | None, port: int) -> bool:
    """Read from the kernel's table: a connection of ours to see would stand in the software's log and in captures."""
    if process is None or process.poll() is not None:
        return False
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process.pid}/net/{table}").read_text().splitlines()[1:]:
                _, local, _, state = line.split()[:4]
                if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                    return True
    return False
