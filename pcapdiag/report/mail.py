"""What became of each message of a session, one sentence a message."""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.report.clean import wire_line
from pcapdiag.report.words import count, listed
from pcapdiag.session import Session
from pcapdiag.smtp.dialogue import MailTransaction, Recipient

MOST_MESSAGES = 5
"""The last ones: where a session broke, the earlier ones were done."""
MOST_RECIPIENTS = 3


def messages(session: Session) -> Iterator[str]:
    """One line for each of the last messages."""
    transactions = session.dialogue.transactions
    earlier = session.dialogue.transactions_total - min(MOST_MESSAGES, len(transactions))
    if earlier:
        yield f"{count(earlier, 'earlier message')} not told here"
    for transaction in transactions[-MOST_MESSAGES:]:
        yield f"<{wire_line(transaction.mail_from)}> to {_recipients(transaction)}: {_fate(transaction)}"


def _recipients(transaction: MailTransaction) -> str:
    if not transaction.recipients_total:
        return "nobody yet"
    named = [_recipient(each) for each in transaction.recipients[:MOST_RECIPIENTS]]
    more = transaction.recipients_total - len(named)
    return listed([*named, f"{more:,} more"] if more else named)


def _recipient(recipient: Recipient) -> str:
    address = f"<{wire_line(recipient.address)}>"
    if recipient.reply is not None and not recipient.accepted:
        return f"{address} (refused, {recipient.reply.code})"
    return address


def _fate(transaction: MailTransaction) -> str:
    size = f"{transaction.octets:,} octets" if transaction.octets is not None else None
    reply = transaction.reply
    if reply is not None:
        word = "accepted" if reply.positive else "refused"
        queued = f" as {wire_line(transaction.queue_id)}" if transaction.queue_id else ""
        return f"{word} with {reply.code}{queued}" + (f", {size}" if size else "")
    if transaction.complete:
        return f"sent whole ({size}), no reply to it" if size else "sent whole, no reply to it"
    if transaction.reset:
        return "given up by the client (RSET)"
    if transaction.octets:
        return f"broken off after {size} of its text"
    return "not sent"
