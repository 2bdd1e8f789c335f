"""Sentences that several rules need: who, at which step, and after how long."""

from __future__ import annotations

from pcapdiag.model import Address, Duration, Moment, Party, Says, Side, Stage
from pcapdiag.session import Session

COMMANDS = {
    Stage.EHLO: "EHLO",
    Stage.STARTTLS: "STARTTLS",
    Stage.AUTH: "AUTH",
    Stage.MAIL: "MAIL FROM",
    Stage.RCPT: "RCPT TO",
    Stage.DATA: "DATA",
    Stage.QUIT: "QUIT",
    Stage.OTHER: "the last command",
}

STEPS = {
    (Stage.CONNECT, Side.SERVER): "while connecting, before the server's SYN+ACK",
    (Stage.CONNECT, Side.CLIENT): "while connecting, before the client's ACK of the handshake",
    (Stage.GREETING, Side.SERVER): "while the server's greeting was due",
    (Stage.GREETING, Side.CLIENT): "after the greeting, before the client's first command",
    (Stage.STARTTLS, Side.CLIENT): "after STARTTLS was answered, before the TLS handshake",
    (Stage.BODY, Side.CLIENT): "in the middle of the message, before the final dot",
    (Stage.END_OF_DATA, Side.SERVER): "after the final dot, while the reply that decides about the message was due",
    (Stage.END_OF_DATA, Side.CLIENT): "after the message was answered, before the next command",
    (Stage.QUIT, Side.SERVER): "after QUIT",
    (Stage.QUIT, Side.CLIENT): "after QUIT",
}


def step(stage: Stage, owing: Side | None, refused: int | None = None, unseen: bool = False) -> str:
    """When that was, in the middle of a sentence: "while the reply to RCPT TO was due".

    `refused` is the code of the reply that completed the step, when that was a refusal: who reads "answered" thinks of
    success. `unseen`: the server owes the answer to something that was not captured.
    """
    if unseen and stage in COMMANDS:
        return f"after {COMMANDS[stage]} was answered, when the reply to a command that was not captured was due"
    if refused is not None and owing is Side.CLIENT and (stage in COMMANDS or stage is Stage.END_OF_DATA):
        return f"after {COMMANDS.get(stage, 'the message')} was refused with {refused}, when the client was to speak"
    if stage is Stage.OTHER and owing is None:
        return "without anything in it that could be recognised as a step of SMTP or TLS"
    if (stage, owing) in STEPS and owing is not None:
        return STEPS[stage, owing]
    if stage is Stage.TLS:
        return "during the TLS handshake"
    if stage is Stage.ENCRYPTED:
        return "inside TLS"
    command = COMMANDS.get(stage)
    if command is None:
        return f"at the stage {stage.value}"
    if owing is Side.SERVER:
        return f"while the reply to {command} was due"
    if owing is Side.CLIENT:
        return f"after {command} was answered, when the client was to speak"
    return f"after {command}"


def the(session: Session, side: Side) -> Says:
    """ "the server 198.51.100.25" """
    end = session.server if side is Side.SERVER else session.client
    return (f"the {side.value} ", Address(end.address))


def The(session: Session, side: Side) -> Says:  # noqa: N802 - the same words at the head of a sentence
    """ "The server 198.51.100.25" """
    end = session.server if side is Side.SERVER else session.client
    return (f"The {side.value} ", Address(end.address))


def after_waiting(waited_ns: int | None, least_ns: int = 1_000_000_000) -> Says:
    """ ", after 5.0 s without a word" when that is worth saying."""
    if waited_ns is None or waited_ns < least_ns:
        return ()
    return (", after ", Duration(waited_ns), " in which neither side said anything new")


def times(number: int) -> str:
    """``once``, ``12 times``."""
    return "once" if number == 1 else f"{number} times"


def frames(*moments: Moment | None) -> tuple[Moment, ...]:
    """The moments that exist, in time order, each once."""
    return tuple(sorted({moment for moment in moments if moment is not None}))


PARTY_WORDS = {
    Party.CLIENT: "the client",
    Party.SERVER: "the server",
    Party.MIDDLEBOX: "a device in between",
    Party.PATH: "the path",
    Party.NOBODY: "nobody",
    Party.UNDETERMINED: "undetermined",
}
