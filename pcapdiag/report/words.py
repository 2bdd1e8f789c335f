"""The contract's words, as a mail administrator says them.

JSON speaks in the terms of ``docs/reference/verdict.md``; here each term becomes half a sentence.
"""

from __future__ import annotations

from pcapdiag.model import How, Impact, Party, Side, Stage, Strength, Vantage

PARTY = {
    Party.CLIENT: "the client",
    Party.SERVER: "the server",
    Party.MIDDLEBOX: "a device in between",
    Party.PATH: "the network path",
    Party.NOBODY: "nobody",
    Party.UNDETERMINED: "undetermined",
}

HOW = {
    How.QUIT: "an orderly end",
    How.FIN: "a close (FIN)",
    How.RST: "a reset (RST)",
    How.TIMEOUT: "silence (timeout)",
    How.REFUSED: "a refusal (RST to the SYN)",
    How.UNREACHABLE: "an ICMP error (unreachable)",
    How.OPEN: "still open when the capture ended",
}

STAGE = {
    Stage.CONNECT: "while connecting",
    Stage.GREETING: "at the greeting",
    Stage.EHLO: "at EHLO/HELO",
    Stage.STARTTLS: "at STARTTLS, before TLS began",
    Stage.TLS: "during the TLS handshake",
    Stage.ENCRYPTED: "inside TLS, where the SMTP step cannot be seen",
    Stage.AUTH: "during the login (AUTH)",
    Stage.MAIL: "at MAIL FROM, the sender",
    Stage.RCPT: "at RCPT TO, the recipients",
    Stage.DATA: "at DATA, before the go-ahead (354)",
    Stage.BODY: "in the message's text, after the go-ahead (354)",
    Stage.END_OF_DATA: "after the final dot of the message",
    Stage.QUIT: "at QUIT, after all mail was answered",
    Stage.OTHER: "at another step",
}

BEFORE_REPLY = {
    Stage.GREETING: "after connecting, before the greeting",
    Stage.EHLO: "after EHLO/HELO, before the reply to it",
    Stage.MAIL: "after MAIL FROM (the sender), before the reply to it",
    Stage.RCPT: "after RCPT TO (a recipient), before the reply to it",
    Stage.END_OF_DATA: "after the final dot, before the reply to the message",
}
"""Where it is the server's turn; the other stages as in `STAGE`."""

AFTER_REPLY = {
    Stage.GREETING: "after the greeting, before the first command",
    Stage.EHLO: "after the reply to EHLO/HELO, before the next command",
    Stage.MAIL: "after the reply to MAIL FROM, before the next command",
    Stage.RCPT: "after the reply to RCPT TO, before the next command",
    Stage.DATA: "after the refusal of DATA, before the next command",
    Stage.END_OF_DATA: "after the reply to the message, before the next command",
}
"""Where it is the client's turn: the stage is the step completed last."""


def where(stage: Stage, owing: Side | None) -> str:
    """The step, and on which side of its reply it broke."""
    turns = {Side.SERVER: BEFORE_REPLY, Side.CLIENT: AFTER_REPLY}
    return turns[owing].get(stage, STAGE[stage]) if owing else STAGE[stage]


IMPACT = {
    Impact.NONE: "no mail was lost or held up",
    Impact.UNKNOWN: "unknown: the capture does not show what became of the mail",
    Impact.DELAYED: "delayed: the mail was not handed over, the sender will try again",
    Impact.REJECTED: "rejected: the mail was refused for good (5xx)",
    Impact.DUPLICATE_RISK: "duplicate risk: the message was sent whole but not confirmed, "
    "so it may be delivered now and again later (RFC 1047)",
}

STRENGTH = {
    Strength.PROVEN: "only this verdict fits what the capture holds",
    Strength.LIKELY: "everything fits, and the lookalikes were ruled out",
    Strength.POSSIBLE: "it fits best, and who else it could be is named",
}

VANTAGE = {
    Vantage.CLIENT: "on the client's side",
    Vantage.SERVER: "on the server's side",
    Vantage.MIDDLE: "between the two hosts",
}

PATTERN = {"retry-storm": "Retry storm", "attempts": "Attempts of one delivery"}

SIDE = {Side.CLIENT: "the client", Side.SERVER: "the server"}


def sentence(text: str, behind: str = "") -> str:
    """`text` with a capital letter, `behind` it what belongs to it, and a full stop unless it ends in another mark."""
    mark = text[-1:] if text.endswith((".", "!", "?", ":")) else "."
    return text[:1].upper() + text[1:].removesuffix(mark) + behind + mark


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 session``, ``12,000 sessions``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(items: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]
