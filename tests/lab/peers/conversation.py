"""The ordinary delivery, step by step, up to the point where a scenario wants something else to happen."""

import time
from typing import Literal

from ..network import LabError
from .peer import Peer

SETTLED_WITHIN_S = 2.0
Step = Literal["greeting", "ehlo", "mail", "rcpt", "data", "body", "end-of-data", "quit"]
STEPS: tuple[Step, ...] = ("greeting", "ehlo", "mail", "rcpt", "data", "body", "end-of-data", "quit")

RECIPIENT = "ben@example.net"
MESSAGE = (
    "From: Anna <anna@example.com>\r\nTo: Ben <ben@example.net>\r\nSubject: Minutes\r\n"
    "Date: Mon, 5 Apr 1999 14:22:41 +0200\r\nMessage-ID: <1@mail.example.com>\r\n\r\n"
    + "Nothing was decided, and everybody was content with it.\r\n"
    * 30
).encode()

# What the client says at each step, and the server's answer. The greeting has no command, the body no answer.
COMMANDS: dict[str, tuple[str, ...]] = {
    "ehlo": ("EHLO mail.example.com",),
    "mail": ("MAIL FROM:<anna@example.com>",),
    "rcpt": (f"RCPT TO:<{RECIPIENT}>",),
    "data": ("DATA",),
    "end-of-data": (".",),
    "quit": ("QUIT",),
}
REPLIES: dict[str, tuple[str, ...]] = {
    "greeting": ("220 gw.example.net ESMTP",),
    "ehlo": ("250-gw.example.net", "250-PIPELINING", "250-8BITMIME", "250 SIZE 10240000"),
    "mail": ("250 2.1.0 Sender ok",),
    "rcpt": ("250 2.1.5 Recipient ok",),
    "data": ("354 End data with <CR><LF>.<CR><LF>",),
    "end-of-data": ("250 2.0.0 Queued as 4C2A1",),
    "quit": ("221 2.0.0 Bye",),
}


def reach(
    client: Peer, server: Peer, until: Step | None = None, after: Step | None = None, begin: Step = "greeting"
) -> None:
    """The delivery from `begin` on: `until` a step whose command the server has read and not answered (in the body: half
    of the message is there), or until `after` a step, its answer heard by the client."""
    for step in _steps(begin, until or after):
        _says(step, client, server, half=step == until)
        if step != until and step in REPLIES:
            answers(step, client, server)


def serve(server: Peer, until: Step | None = None, after: Step | None = None, begin: Step = "greeting") -> None:
    """The server's half of it, for a real client: it goes as far as `reach` does, whatever the client's words are."""
    for step in _steps(begin, until or after):
        if step in COMMANDS:
            server.hears(COMMANDS[step][0].split(" ")[0])
        if step != until and step in REPLIES:
            server.says(*REPLIES[step])


def speak(
    client: Peer,
    until: Step | None = None,
    after: Step | None = None,
    begin: Step = "greeting",
    recipient: str = RECIPIENT,
) -> None:
    """The client's half of it, for a real server. In the body it says half of the message with `until`."""
    for step in _steps(begin, until or after):
        if step == "body":
            client.sends(MESSAGE[: len(MESSAGE) // 2] if step == until else MESSAGE, "message")
        elif step in COMMANDS:
            client.says(*(line.replace(RECIPIENT, recipient) for line in COMMANDS[step]))
        if step != until and step in REPLIES:
            client.hears(REPLIES[step][-1][:3])


def settle(*peers: Peer) -> None:
    """Until everything said is acknowledged: a fault that comes now meets a quiet connection, and no kernel repeats itself."""
    until = time.monotonic() + SETTLED_WITHIN_S
    while any(peer.unacknowledged() for peer in peers):
        if time.monotonic() > until:
            raise LabError("the connection does not come to rest")
        time.sleep(0.005)


def deliver(client: Peer, server: Peer, begin: Step = "greeting") -> None:
    """Everything, to the last reply; then both close, the server first."""
    reach(client, server, after="quit", begin=begin)
    server.closes()
    client.hears_end()
    client.closes()


def answers(step: Step, client: Peer, server: Peer, *lines: str) -> None:
    """The server's answer to a step, the usual one or that of the scenario; the client hears it."""
    reply = lines or REPLIES[step]
    server.says(*reply)
    client.hears(reply[-1][:3])


def _steps(begin: Step, last: Step | None) -> tuple[Step, ...]:
    if last is None or last not in STEPS:
        raise LabError(f"no step {last!r}; there are {', '.join(STEPS)}")
    return STEPS[STEPS.index(begin) : STEPS.index(last) + 1]


def _says(step: Step, client: Peer, server: Peer, half: bool) -> None:
    if step == "body":
        octets = MESSAGE[: len(MESSAGE) // 2] if half else MESSAGE
        client.sends(octets, "message")
        server.hears_octets(len(octets))
    elif step in COMMANDS:
        client.says(*COMMANDS[step])
        server.hears(COMMANDS[step][0])
