"""Who plays in the scenarios with real mail software: a server, a client, and the process that holds the connection."""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any, TypeVar

from ..lab import SMTP, Lab
from ..network import LabError
from ..peers.conversation import COMMANDS, REPLIES, STEPS
from ..software.mail_system import Endpoint, MailSystem

M = TypeVar("M", bound=MailSystem)
READER = "reader@server.example"
CONNECTED = {"01", "08"}  # ESTABLISHED and CLOSE_WAIT, in /proc/net/tcp
FOUND_WITHIN_S = 5.0


def serves(lab: Lab, kind: type[M], **options: Any) -> M:
    """This software listens on the server."""
    server = kind(host=lab.network.server, domain="server.example", listen=SMTP, **options)
    lab.runs(server)
    return server


def sends(lab: Lab, kind: type[M], **options: Any) -> M:
    """This software delivers from the client, by one port and no other."""
    lab.real_client_uses(lab.addresses.client_port)
    client = kind(host=lab.network.client, domain="client.example", relay=Endpoint(lab.server_address), **options)
    lab.runs(client)
    return client


def meets(lab: Lab) -> None:
    """Real software at both ends: the session that the truth will tell of."""
    lab.expects_session(lab.addresses.client_port)


def has_delivered(lab: Lab) -> None:
    """Real software keeps no journal. Where its two ends see different ends of a session, their delivery before it is written
    down here, in the words of the scripted peers."""
    session = len(lab.sessions) - 1
    lab.journal.write("client", "connects", session=session, outcome="connected", port=SMTP)
    lab.journal.write("server", "accepts", session=session, port=SMTP)
    for step in STEPS[: STEPS.index("quit")]:
        for speaker, lines in (("client", COMMANDS.get(step)), ("server", REPLIES.get(step))):
            for line in lines or ():
                for side in ("client", "server"):
                    said: dict[str, Any] = {"lines": [line]} if side == speaker else {"line": line}
                    lab.journal.write(side, "says" if side == speaker else "hears", session=session, **said)


def loses_its_process(lab: Lab, server: MailSystem) -> None:
    """The process that holds the connection gets SIGKILL; the rest of the server lives on."""
    until = time.monotonic() + FOUND_WITHIN_S
    while not (holders := [pid for pid in server.root.processes() if _sockets(pid) & _connected(pid)]):
        if time.monotonic() > until:
            raise LabError(f"no process of {server.recipe.name} holds a connection")
        time.sleep(0.02)
    for pid in holders:
        os.kill(pid, signal.SIGKILL)
    lab.journal.write("server", "loses its process", software=server.recipe.name)


def _sockets(pid: int) -> set[str]:
    """Inode numbers of the sockets that a process has open."""
    sockets = set()
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                sockets.add(os.readlink(entry).removeprefix("socket:[").rstrip("]"))
    return sockets


def _connected(pid: int) -> set[str]:
    """Inode numbers of the SMTP connections in its network namespace."""
    inodes = set()
    with contextlib.suppress(OSError):
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] in CONNECTED and columns[1].endswith(f":{SMTP:04X}"):
                    inodes.add(columns[9])
    return inodes
