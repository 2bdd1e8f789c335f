"""aiosmtpd, the server of Python programs, in a process of its own, with a hook that misbehaves at one command.

    AiosmtpdServer(host, listen=, hook=Hook("DATA", "close"))  --child process-->  a server; mail goes to files

The other half of this file is what the child runs: python -m tests.lab.software.aiosmtpd_server, with JSON as argument.
"""

import asyncio
import itertools
import json
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from ..network import Host, LabError
from .mail_system import STEP_S, Certificate, listens
from .one_session import python

# DATA: the message is there, and not stored; STORED: it is, and the reply is owed.
Moment = Literal["EHLO", "MAIL", "RCPT", "DATA", "STORED"]
Action = Literal["delay", "raise", "close", "abort", "exit"]


class Hook(NamedTuple):
    """At a command: wait, and then go on (delay), fail in Python (raise), or end the connection.

    close is a FIN, abort a reset, exit the sudden death of the process.
    """

    at: Moment
    action: Action
    seconds: float = 0.0


@dataclass(kw_only=True)
class AiosmtpdServer:
    """aiosmtpd between `with` and its end."""

    host: Host
    listen: int = 25
    domain: str = "server.example"
    certificate: Certificate | None = None  # to offer STARTTLS with
    hook: Hook | None = None
    protocol: Literal["smtp", "lmtp"] = "smtp"
    settings: dict[str, Any] = field(default_factory=dict)  # arguments of aiosmtpd.smtp.SMTP: {"timeout": 5}
    process: subprocess.Popen[bytes] = field(init=False)
    _folder: tempfile.TemporaryDirectory[str] = field(init=False)

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        if self.certificate:
            (folder / "chain.pem").write_bytes(self.certificate.key + self.certificate.chain)
        wishes = {
            "addresses": [self.host.address4, self.host.address6], "port": self.listen, "domain": self.domain,
            "folder": str(folder), "tls": bool(self.certificate), "hook": self.hook,
            "protocol": self.protocol, "settings": self.settings,
        }  # fmt: skip
        self.process = self.host.spawn(python(__name__, json.dumps(wishes)), log=folder / "log")
        until = time.monotonic() + 10
        while not listens(self.process, self.listen):
            if time.monotonic() > until or self.process.poll() is not None:
                said = self.log()[-800:]
                self.__exit__()
                raise LabError(f"aiosmtpd does not listen on port {self.listen}. It printed: {said}")
            time.sleep(STEP_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._folder.cleanup()

    def kill(self) -> None:
        """Ends it at once (SIGKILL): what is left to say, the kernel says."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=5)

    def log(self) -> str:
        return Path(self._folder.name, "log").read_text(errors="replace")

    def wait_logged(self, words: str, times: int = 1, timeout_s: float = 15.0) -> None:
        until = time.monotonic() + timeout_s
        while self.log().count(words) < times:
            if time.monotonic() > until:
                raise LabError(f"aiosmtpd did not print {words!r} {times} times. It printed: {self.log()[-800:]}")
            time.sleep(STEP_S)

    def inbox(self) -> list[str]:
        return [path.read_text(errors="replace") for path in sorted(Path(self._folder.name).glob("*.eml"))]

    def delivered(self, subject: str) -> bool:
        return any(f"\nSubject: {subject}\n" in text.replace("\r", "") for text in self.inbox())


class HookFailed(Exception):
    """What a hook raises that was asked to raise."""


class Handler:
    """In the child: writes down what comes, and misbehaves where it is told to. aiosmtpd names the methods."""

    def __init__(self, folder: Path, hook: Hook | None) -> None:
        self._folder = folder
        self._hook = hook
        self._numbers = itertools.count(1)

    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        await self._at("EHLO", server)
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        await self._at("MAIL", server)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        await self._at("RCPT", server)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        await self._at("DATA", server)
        (self._folder / f"{next(self._numbers)}.eml").write_bytes(envelope.content)
        await self._at("STORED", server)
        return "250 Message accepted for delivery"

    async def _at(self, moment: Moment, server: Any) -> None:
        hook = self._hook
        if not hook or hook.at != moment:
            return
        await asyncio.sleep(hook.seconds)
        print(f"{moment}: {hook.action}", flush=True)
        if hook.action == "raise":
            raise HookFailed(f"at {moment}")
        if hook.action == "exit":
            signal.raise_signal(signal.SIGKILL)
        if hook.action == "abort":  # asyncio's own abort() closes politely when nothing is left to send
            connection = server.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if hook.action in {"close", "abort"}:
            server.transport.close()
            raise ConnectionResetError(f"by the hook at {moment}")  # aiosmtpd says no more to this client


async def serve(wishes: dict[str, Any]) -> None:
    from aiosmtpd import lmtp, smtp  # noqa: PLC0415  (the lab's other modules do without aiosmtpd)

    folder = Path(wishes["folder"])
    handler = Handler(folder, Hook(*wishes["hook"]) if wishes["hook"] else None)
    context = None
    if wishes["tls"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "chain.pem")

    kind = lmtp.LMTP if wishes["protocol"] == "lmtp" else smtp.SMTP

    def protocol() -> smtp.SMTP:
        return kind(handler, hostname=wishes["domain"], tls_context=context, **wishes["settings"])

    server = await asyncio.get_running_loop().create_server(protocol, wishes["addresses"], wishes["port"])
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
