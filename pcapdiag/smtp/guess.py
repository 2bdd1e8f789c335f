"""To which command does a reply belong, when the command was not captured?

Only for conversations with holes. The answer is a guess from code, enhanced code (RFC 3463 3) and the words that servers
use; None where nothing tells.
"""

from __future__ import annotations

from pcapdiag.smtp.dialogue import Reply
from pcapdiag.smtp.queueid import queue_id
from pcapdiag.smtp.stages import Kind

_BY_CODE = {
    221: Kind.QUIT,
    235: Kind.SASL,
    334: Kind.AUTH,
    354: Kind.DATA,
    432: Kind.SASL,
    534: Kind.AUTH,
    535: Kind.SASL,
    538: Kind.AUTH,
    252: Kind.ASIDE,
    211: Kind.ASIDE,
    214: Kind.ASIDE,
}

# RFC 3463 3.2: X.1.1 to X.1.6 are about the destination address, X.1.7 and X.1.8 about the sender's.
_BY_DETAIL = {
    b"1.0": Kind.MAIL,
    b"1.1": Kind.RCPT,
    b"1.2": Kind.RCPT,
    b"1.3": Kind.RCPT,
    b"1.5": Kind.RCPT,
    b"1.6": Kind.RCPT,
    b"1.7": Kind.MAIL,
    b"1.8": Kind.MAIL,
    b"2.1": Kind.RCPT,
    b"6.0": Kind.DOT,
}

_BY_WORDS = (
    (b"recipient ok", Kind.RCPT),
    (b"sender ok", Kind.MAIL),
    (b"for delivery", Kind.DOT),
    (b"ready to start tls", Kind.TLS),
    (b"go ahead with tls", Kind.TLS),
    (b"tls go ahead", Kind.TLS),
)

_KEYWORDS = (
    b"PIPELINING",
    b"SIZE",
    b"8BITMIME",
    b"ENHANCEDSTATUSCODES",
    b"STARTTLS",
    b"HELP",
    b"DSN",
    b"AUTH",
    b"ETRN",
)


# RFC 5321 4.3.2 gives the greeting 220 and 554; servers in the wild also greet with 421, 450, 521, 550. These never greet:
_NO_GREETING = frozenset((500, 501, 502, 503, 504, 530, 535))


def can_greet(code: int) -> bool:
    """May a reply with this code be the server's first? Any other shows that the capture began later."""
    return code == 220 or (code >= 400 and code not in _NO_GREETING)


def answered(reply: Reply, *, greeted_only: bool = False) -> Kind | None:
    """The kind of step that this reply answers; `greeted_only`: nothing but the greeting came before it."""
    if (kind := _BY_CODE.get(reply.code)) is not None:
        return kind
    if reply.code == 250 and any(line.upper().startswith(_KEYWORDS) for line in reply.lines[1:]):
        return Kind.HELLO
    if queue_id(reply.text) is not None and reply.code < 300:
        return Kind.DOT
    if reply.enhanced is not None and (kind := _BY_DETAIL.get(reply.enhanced[2:])) is not None:
        return kind
    text = reply.text.lower()
    kind = next((kind for words, kind in _BY_WORDS if words in text), None)
    if kind is None and greeted_only and reply.code == 250:
        return Kind.HELLO  # nothing else is asked first (RFC 5321 4.1.4)
    return kind
