"""A line of the client that is no command: what it is, and how little of it may be shown."""

from __future__ import annotations

import re

from pcapdiag.model import Side
from pcapdiag.smtp import grammar
from pcapdiag.smtp.conversation import Conversation
from pcapdiag.smtp.dialogue import OddKind
from pcapdiag.smtp.lines import Line

TEXT_RUN = 3
"""So many lines in a row that are no commands, unanswered, are message text."""

_LOGIN = re.compile(rb"\s*(?:\S*AUTH|USER|PASS|LOGIN)", re.I)
"""What somebody believes to be AUTH, also in other protocols: X-AUTH, AUTH=PLAIN, PASS."""


def is_request_or_binary(line: bytes) -> bool:
    """Another protocol, for sure: no command, no message text, no credential."""
    return grammar.is_http(line) or grammar.is_binary(line)


def shown_verb(conversation: Conversation, line: Line, words: grammar.Words, run: int) -> bytes:
    """Note what is odd about the line, the `run`th of its kind: what may be shown as its verb."""
    octets = line.octets
    http, binary = grammar.is_http(octets), grammar.is_binary(octets)
    # Where AUTH is near, or may have been in a hole, even one word can be half of a credential.
    guarded = conversation.auth_seen or conversation.client_lost or not conversation.greeted
    verb = b"" if guarded and not (http or grammar.is_masked_verb(words.verb)) else words.verb
    if guarded or _LOGIN.match(octets):
        conversation.secrets.withhold(octets)
    conversation.secrets.unread(octets.lstrip()[len(verb) :])
    if http:
        conversation.oddities.once(OddKind.NOT_SMTP, line.at, Side.CLIENT, grammar.request_shown(octets))
    elif binary:
        shown = b"" if conversation.auth_seen else octets[:32]
        conversation.oddities.once(OddKind.NOT_SMTP, line.at, Side.CLIENT, shown)
    field = conversation.greeting is not None and not words.verb and grammar.is_header_field(octets)
    if run >= TEXT_RUN or field:
        conversation.oddities.once(OddKind.UNSTUFFED_TEXT, line.at, Side.CLIENT, b"")
    return verb
