"""smtplib, Python's own client, in a process of its own: one message, then the end that was asked for.

    SmtplibClient(host).send(message, Endpoint(...), end="quit")  --child process-->  a session

The other half of this file is what the child runs: python -m tests.lab.software.smtplib_client, with JSON as argument.
"""

import json
import smtplib
import ssl
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from ..network import Host
from .mail_system import Endpoint, Message
from .one_session import Session, python

End = Literal["quit", "close", "exit"]


@dataclass(kw_only=True)
class SmtplibClient:
    """smtplib on a host. `end`: QUIT; close() without it; or the process ends with the connection open."""

    host: Host
    timeout_s: float = 10.0
    name: str = "client.example"
    trusts: bytes | None = None  # authorities (PEM): use STARTTLS, and accept theirs only
    server_name: str = "server.example"  # whom the certificate must be for
    _folder: tempfile.TemporaryDirectory[str] = field(init=False, default_factory=tempfile.TemporaryDirectory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def send(self, message: Message, to: Endpoint, end: End = "quit", pause_s: float = 0.0) -> Session:
        """Starts a session; `pause_s` is how long it waits before its end."""
        authorities = Path(self._folder.name, "authority.pem")
        if self.trusts:
            authorities.write_bytes(self.trusts)
        wishes = {
            "address": to.address, "port": to.port, "name": self.name, "timeout_s": self.timeout_s,
            "authorities": str(authorities) if self.trusts else None, "server_name": self.server_name,
            "sender": message.sender, "recipients": list(message.recipients), "text": message.text,
            "end": end, "pause_s": pause_s,
        }  # fmt: skip
        return Session.start(self.host, *python(__name__, json.dumps(wishes)), folder=Path(self._folder.name))


def main(wishes: dict[str, Any]) -> None:
    """In the child: what happened goes to stdout, so that the log tells it."""
    client = smtplib.SMTP(timeout=wishes["timeout_s"], local_hostname=wishes["name"])
    client.set_debuglevel(2)
    try:
        client.connect(wishes["address"], wishes["port"])
        if wishes["authorities"]:
            client._host = wishes["server_name"]  # type: ignore[attr-defined]
            client.starttls(context=ssl.create_default_context(cafile=wishes["authorities"]))
        client.sendmail(wishes["sender"], wishes["recipients"], wishes["text"])
        print("accepted", flush=True)
        time.sleep(wishes["pause_s"])
        if wishes["end"] == "quit":
            client.quit()
        elif wishes["end"] == "close":
            client.close()
    except (OSError, smtplib.SMTPException) as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
