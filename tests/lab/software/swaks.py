"""swaks, the scriptable client that mail administrators test with. Options are its own: ("--quit-after", "RCPT")."""

from dataclasses import dataclass, field
from typing import ClassVar, Self

from ..network import Host
from .mail_system import AUTHORITY, CONSOLE, Endpoint, Message
from .one_session import Session
from .roots import Recipe, Root


@dataclass(kw_only=True)
class Swaks:
    """swaks on a host, as often as wanted between `with` and its end."""

    # It suggests, but does not depend on, what it speaks TLS and IPv6 with.
    recipe: ClassVar[Recipe] = Recipe("swaks", ("swaks", "libnet-ssleay-perl", "libio-socket-inet6-perl"))

    host: Host
    timeout_s: int = 10
    name: str = "client.example"
    trusts: bytes | None = None  # authorities (PEM): use STARTTLS, and accept theirs only
    root: Root = field(init=False)

    def __enter__(self) -> Self:
        self.root = Root(self.recipe)
        if self.trusts:
            self.root.write(AUTHORITY, self.trusts)
        return self

    def __exit__(self, *_: object) -> None:
        self.root.close()

    def send(self, message: Message, to: Endpoint, *options: str) -> Session:
        """Starts a session; its log is swaks's transcript."""
        self.root.write("/tmp/message", message.text)
        argv = [
            "/usr/bin/swaks", "--server", to.address, "--port", str(to.port), "--timeout", str(self.timeout_s),
            "--helo", self.name, "--from", message.sender, "--to", ",".join(message.recipients),
            "--data", "@/tmp/message",
        ]  # fmt: skip
        if ":" in to.address:
            argv.append("-6")
        if self.trusts:
            argv += ["--tls", "--tls-verify", "--tls-ca-path", AUTHORITY]
        command = self.root.entering([*argv, *options])
        return Session.start(self.host, *command, folder=self.root.inside(CONSOLE).parent)
