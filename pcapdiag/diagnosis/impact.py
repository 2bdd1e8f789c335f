"""What the end of the session did to the mail (docs/reference/verdict.md, section 5)."""

from __future__ import annotations

from pcapdiag.diagnosis.answers import all_acknowledged
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.model import How, Impact, Party, Says, Side, Stage, Wire
from pcapdiag.smtp.dialogue import MailTransaction, OddKind, Reply

ORDER = (Impact.DUPLICATE_RISK, Impact.REJECTED, Impact.DELAYED, Impact.UNKNOWN, Impact.NONE)
BEFORE_THE_MESSAGE = frozenset(
    {
        Stage.CONNECT,
        Stage.GREETING,
        Stage.EHLO,
        Stage.STARTTLS,
        Stage.TLS,
        Stage.AUTH,
        Stage.MAIL,
        Stage.RCPT,
        Stage.DATA,
        Stage.OTHER,
    }
)


# Looked up once: members of an enumeration are slow to reach.
_ENCRYPTED, _NONE = Stage.ENCRYPTED, Impact.NONE


def impact_of(see: Observation, party: Party, how: How, stage: Stage, benign: bool) -> Impact:
    """The worst of what happened to each message and recipient."""
    if stage is _ENCRYPTED or (see.dialogue.tls is not None and see.dialogue.tls.finished is not None):
        return Impact.UNKNOWN
    messages = see.dialogue.transactions
    if not messages:
        return _without_message(see, party, how, stage, benign)
    if not see.connection.halves[1].packets:
        return Impact.UNKNOWN  # what the server answered was not captured
    return min([_of_message(see, each, party, how) for each in messages], key=ORDER.index)


def refusal(see: Observation, party: Party, how: How, *, benign: bool) -> Says:
    """What to add to "it ended with QUIT" where that hides a refusal: "a refusal: 554 5.7.1 Relay access denied".

    Who reads that nobody dropped the connection thinks that the mail went through. A refused DATA says only that no
    recipient was left; the refusal before it says why.
    """
    if not see.refusals:
        return ()
    worst = {Impact.REJECTED: 500, Impact.DELAYED: 400}.get(impact_of(see, party, how, see.stage, benign))
    refused = [reply for reply in see.refusals if worst is not None and reply.code >= worst]
    if not refused:
        return ()
    data = [each.reply for each in see.dialogue.exchanges if each.stage is Stage.DATA]
    says_why = [reply for reply in refused if reply not in data] or refused
    return (f"a refusal: {says_why[-1].code} ", Wire(says_why[-1].text))


def _of_message(see: Observation, message: MailTransaction, party: Party, how: How) -> Impact:
    refused = [each.reply for each in message.recipients if each.reply is not None and each.reply.code >= 400]
    if message.complete:
        if message.reply is None or not all_acknowledged(see.connection, (message.reply,)):
            # It was answered where a QUIT counts, or the answer is among the octets that were cut: no more is known.
            cut = message.terminator is not None and message.terminator.cut
            hidden = how is How.QUIT or (cut and party is Party.UNDETERMINED)
            return Impact.UNKNOWN if hidden else Impact.DUPLICATE_RISK
        if see.dialogue.lmtp and any(each.accepted and each.final is None for each in message.recipients):
            return Impact.DUPLICATE_RISK
        finals = [each.final for each in message.recipients if each.final is not None]
        return _worst([message.reply, *refused, *finals])
    answers = [each for each in (message.mail.reply, *refused) if each is not None and each.code >= 400]
    if message.reset and not answers:
        return Impact.NONE
    if not refused or len(refused) < message.recipients_total:  # else DATA was refused for want of recipients: no news
        answers += [
            reply
            for reply in _replies_to_content(see, message)
            if reply.code >= 400 and all_acknowledged(see.connection, (reply,))
        ]
    client = see.half(Side.CLIENT)
    unseen = client.cut or client.missing or not client.packets  # the end of the message may stand there
    if how is How.OPEN or (party is Party.UNDETERMINED and unseen):
        return _worst(answers) if answers else Impact.UNKNOWN
    if party is not Party.NOBODY and (not answers or any(each.accepted for each in message.recipients)):
        return min(Impact.DELAYED, _worst(answers), key=ORDER.index)
    return _worst(answers)


def _worst(replies: list[Reply]) -> Impact:
    code = max([reply.code for reply in replies], default=0)
    if code < 400:
        return _NONE
    return Impact.REJECTED if code >= 500 else Impact.DELAYED


def _replies_to_content(see: Observation, message: MailTransaction) -> list[Reply]:
    """Replies to DATA or BDAT, and those that came in the middle of the content."""
    begun = message.mail.command
    asked = [
        each.reply
        for each in see.dialogue.exchanges
        if each.command.verb in (b"DATA", b"BDAT") and each.command.offset > begun.offset
    ]
    odd = {each.at for each in see.dialogue.oddities if each.kind is OddKind.EARLY_REPLY_IN_BODY}
    early = (
        [reply for reply in see.replies if reply.at in odd and reply.code != 421 and reply.at > begun.at] if odd else []
    )
    return [reply for reply in asked if reply is not None] + early


def _without_message(see: Observation, party: Party, how: How, stage: Stage, benign: bool) -> Impact:
    if see.scanner:
        return Impact.NONE
    greeting = see.dialogue.greeting
    if greeting is not None and greeting.complete and greeting.code >= 400:
        return Impact.REJECTED if greeting.code >= 500 else Impact.DELAYED
    if benign:
        return Impact.NONE
    if see.connection.midway and stage in (Stage.GREETING, Stage.OTHER):
        return Impact.UNKNOWN  # what the session was about came before the capture began
    if see.ending.quit is not None and see.ending.quit.command is not None and see.ending.quit.command.cut:
        return Impact.UNKNOWN  # only lengths were captured
    if party is Party.UNDETERMINED:
        return Impact.UNKNOWN
    if stage is Stage.END_OF_DATA and see.owing is Side.SERVER:
        return Impact.DUPLICATE_RISK
    if party is not Party.NOBODY:
        return (
            Impact.DELAYED if stage in BEFORE_THE_MESSAGE or stage in (Stage.BODY, Stage.END_OF_DATA) else Impact.NONE
        )
    if how is How.OPEN:
        return Impact.UNKNOWN
    return _worst(see.refusals[-1:])
