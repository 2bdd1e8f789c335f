"""Lines of the journal in, one side's view of the dialogue out: its SMTP stage, whose turn it was, what became of the mail.

A view holds what stood on the cable at that side: what it said itself, and what reached it. The two views of a session
differ when something was lost, or crossed, on the way. The stages are those of docs/reference/verdict.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from .journal import Event

Side = Literal["client", "server"]
STAGE_OF = {
    **{verb: "ehlo" for verb in ("EHLO", "HELO", "LHLO")},
    **{verb: "other" for verb in ("RSET", "VRFY", "EXPN", "HELP", "ETRN", "XCLIENT", "XFORWARD")},
    **{"STARTTLS": "starttls", "AUTH": "auth", "MAIL": "mail", "RCPT": "rcpt", "DATA": "data", "BDAT": "body"},
    **{".": "end-of-data", "QUIT": "quit"},
}
IMPLICIT_TLS = 465
ENVELOPE = ("MAIL", "RCPT", "DATA", ".", "BDAT")


@dataclass(slots=True)
class View:
    """One side's view, brought forward line by line."""

    side: Side
    stage: str = "connect"
    waiting: list[str] = field(default_factory=list)  # verbs without a reply, the oldest first
    greeted: bool = False
    commands: list[str] = field(default_factory=list)
    replies: list[tuple[str, str]] = field(default_factory=list)  # verb, code
    encrypted: bool = False
    dots_due: int = 0  # replies to final dots that are to come, or came
    challenged: bool = False
    chunk_left: int = 0  # octets of a BDAT chunk that were announced and are not there
    last_chunk: bool = False
    foreign: bool = False  # the client's first words were no SMTP
    over: bool = False

    @property
    def owing(self) -> Side | None:
        if self.stage in {"connect", "tls", "encrypted", "quit"}:
            return None  # the packets' order says whose turn it is in TLS, and the story at connect
        if self.chunk_left:
            return "client"
        return "server" if (self.waiting and not self.challenged) or not self.greeted else "client"

    @property
    def completed(self) -> str:
        """The step completed last, as far as the replies tell."""
        answered = [(verb, code) for verb, code in self.replies if verb in {"greeting", *STAGE_OF}]
        if not answered:
            return "connect"
        verb, code = answered[-1]
        return "body" if (verb, code) == ("DATA", "354") else STAGE_OF.get(verb, verb)

    @property
    def quit_counts(self) -> bool:
        return self.stage == "quit"

    def command(self, line: str) -> None:
        verb = line.split(" ", maxsplit=1)[0].upper() if line != "." else "."
        if verb not in STAGE_OF:
            self.challenged = False
            self.foreign |= not self.commands
            return
        if verb == "BDAT":
            self.chunk_left, self.last_chunk = int(line.split(" ")[1]), line.upper().endswith("LAST")
            if self.last_chunk and not self.chunk_left:
                verb = "."
        self.commands.append(verb)
        answers = 1
        if verb == ".":
            # LMTP answers the dot once for each recipient that it took (RFC 2033, section 4.2).
            answers = max(self._recipients(), 1) if "LHLO" in self.commands else 1
            self.dots_due += answers
        self.waiting += [verb] * answers
        if self.greeted:  # an early talker does not leave the stage of the greeting
            self.stage = STAGE_OF[self.waiting[0]]

    def octets(self, count: int) -> None:
        """A part of the message. The last octet of the last chunk ends it (RFC 3030), as the dot does elsewhere."""
        pending, self.chunk_left = self.chunk_left, max(0, self.chunk_left - count)
        if pending and not self.chunk_left and self.last_chunk:
            self.commands.pop()
            self.waiting.pop()
            self.command(".")

    def _recipients(self) -> int:
        """Those accepted since the last MAIL."""
        verbs = [verb for verb, _ in self.replies]
        since = len(verbs) - 1 - verbs[::-1].index("MAIL") if "MAIL" in verbs else 0
        return sum(verb == "RCPT" and code.startswith("2") for verb, code in self.replies[since:])

    def reply(self, line: str) -> None:
        code = line[:3]
        if not self.greeted:
            self.greeted = True
            self.replies.append(("greeting", code))
            if self.waiting and code.startswith("2"):
                self.stage = STAGE_OF[self.waiting[0]]
            return
        if not self.waiting:  # unasked: a 421
            self.replies.append(("unasked", code))
            return
        if code == "334":  # a challenge: AUTH goes on, and it is the client's turn
            self.challenged = True
            return
        verb = self.waiting.pop(0)
        self.replies.append((verb, code))
        if verb == "DATA" and code == "354":
            self.stage = "body"
        elif self.waiting:
            self.stage = STAGE_OF[self.waiting[0]]

    @property
    def turned_away(self) -> str | None:
        """The code by which the last AUTH or STARTTLS was refused, where no mail was tried after it."""
        asked = [code for verb, code in self.replies if verb in {"AUTH", "STARTTLS"}]
        refused = bool(asked) and asked[-1][0] in "45" and "MAIL" not in self.commands
        return asked[-1] if refused else None

    @property
    def took_back(self) -> bool:
        """The client took its last mail back by RSET, and nobody had refused a word of it."""
        told = [verb for verb in self.commands if verb in {"MAIL", ".", "RSET"}]
        return told[-1:] == ["RSET"] and not self.waiting and all(code[0] in "23" for _, code in self.replies)

    def take(self, event: Event) -> None:
        """One line of the journal. What a side says after it learned of the end is no part of the dialogue."""
        action, own = event["action"], event["actor"] == self.side
        if self.over or not own:
            return
        if action in {"connects", "accepts"} and event.get("outcome", "connected") == "connected":
            self.stage = "tls" if event.get("port") == IMPLICIT_TLS else "greeting"
        elif action in {"says", "hears"}:
            is_command = (action == "says") == (self.side == "client")
            for line in event.get("lines") or [event["line"]]:
                if is_command:
                    self.command(line)
                elif line[3:4] != "-":
                    self.reply(line)
        elif action in {"sends", "takes"}:
            self.octets(event["octets"])
        elif action in {"begins tls", "takes hello"}:
            self.stage = "tls"
        if action == "finishes tls":
            self.stage, self.encrypted = "encrypted", True
        for line in event.get("unread", "").split("\r\n")[:-1]:
            if self.side == "server":
                self.command(line)
            elif line[3:4] != "-":
                self.reply(line)  # on the wire it is there, and acknowledged
        self.over = action == "learns" and event["end"] != "silence"

    def impact(self, heard: "View") -> str:
        """What became of the mail (section 5 of the verdict), for who sees this view: an answer counts when it was heard."""
        if self.encrypted:
            return "unknown"
        dots = [code for verb, code in heard.replies if verb == "."]
        if len(dots) < self.dots_due:
            return "duplicate-risk"
        # A DATA refused for want of recipients says no more than the replies to RCPT.
        telling = {"greeting", *ENVELOPE} - (set() if heard._recipients() else {"DATA"})
        if any(verb == "unasked" for verb, _ in self.replies):
            telling.add("unasked")  # a device's never passes where the other host is seen
        if any(code.startswith("5") for verb, code in heard.replies if verb in telling):
            return "rejected"
        if heard.turned_away:
            return "rejected" if heard.turned_away.startswith("5") else "delayed"
        mails = [verb for verb in self.commands if verb in {"MAIL", "."}]
        unfinished = bool(mails) and mails[-1] == "MAIL"  # another transaction may have been finished before
        sent_away = any(verb == "greeting" and code.startswith("4") for verb, code in heard.replies)
        if unfinished or sent_away or any(not code.startswith("2") for code in dots):
            return "delayed"
        # A web client or a scanner had no mail to hand over.
        return "none" if dots or self.quit_counts or (self.foreign and not self.commands) else "delayed"


def view(events: Iterable[Event], side: Side, session: int) -> View:
    """What that side lived through. A server's kernel completes a handshake whose packets arrive, accepted or not."""
    seen, lossy = View(side), False
    for event in events:
        lossy |= event["actor"] in {"near", "far", "firewall"} and event["action"] in {"dies", "drops"}
        if event.get("session") != session or seen.encrypted:
            continue
        if event["action"] == "connects" and event["outcome"] == "connected" and side == "server" and not lossy:
            seen.take({**event, "actor": side})
        seen.take(event)
    if seen.encrypted:
        seen.stage = "encrypted"
    return seen
