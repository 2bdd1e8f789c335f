"""What was said in a session -> the same in pseudonyms, and which names it holds.

The same reply stands in a dialogue several times, as an entry, of an exchange, of a recipient: it is redacted once.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from pcapdiag.pseudonym import Level, Masker, Pseudonyms
from pcapdiag.pseudonym.commands import HELLOS, names_said
from pcapdiag.pseudonym.masker import SHORTEST
from pcapdiag.pseudonym.spelling import meant
from pcapdiag.smtp.dialogue import Command, Dialogue, Entry, Exchange, MailTransaction, Oddity, Recipient, Reply

_IN_BRACKETS = re.compile(rb"<([^<>\s@]{1,256}@[^<>\s@]{1,256})>")
_LAST_WORD = re.compile(rb"[<\s\"'(=:;]*([^<\s\"'(=:;]+)\Z")
_WORD = re.compile(rb"[^<>@\s\"'()=:;,]+")
_MOST_BEGUN = 50
_NO_HOSTS = frozenset(b"ok hello hi welcome pleased nice requested accepted esmtp smtp greetings service".split())
"""Words that stand first in the answer to EHLO or in a greeting although a name should."""


def masker_for(dialogue: Dialogue, names: Pseudonyms) -> Masker:
    """What masks the free text of that dialogue."""
    ids = {each.queue_id for each in dialogue.transactions if each.queue_id is not None}
    people = set(_people(dialogue))
    return names.knowing(
        people | set(_cut_off(dialogue, people)),
        set(_hosts(dialogue)) if names.level is Level.ALL else (),
        sorted(ids, key=len, reverse=True),
    )


def _people(dialogue: Dialogue) -> Iterator[bytes]:
    """Mail addresses and users' names that the client named."""
    for transaction in dialogue.transactions:
        yield transaction.mail_from
        yield from (recipient.address for recipient in transaction.recipients)
        yield from names_said(b"MAIL", transaction.mail.command.argument)
    for entry in dialogue.entries:
        if isinstance(entry, Command) and entry.argument:
            yield from names_said(entry.verb, entry.argument)
        elif isinstance(entry, Reply):
            # The command may not have been captured: "550 <anna@example.com>: user anna unknown".
            for line in entry.lines:
                yield from (found[1] for found in _IN_BRACKETS.finditer(line))
    for command in dialogue.outstanding:
        yield from names_said(command.verb, command.argument)


def _cut_off(dialogue: Dialogue, people: Iterable[bytes]) -> Iterator[bytes]:
    """Words of replies that are names when either was cut: the last word of a reply, or the command with the name."""
    replies = [each for each in dialogue.entries if isinstance(each, Reply)]
    commands = [each for each in dialogue.entries if isinstance(each, Command) and each.cut]
    begun = [name for each in commands for name in map(_local, names_said(each.verb, each.argument))]
    begun = [name for name in dict.fromkeys(begun) if len(name) >= SHORTEST][:_MOST_BEGUN]
    names = sorted(set(map(_local, people)))
    for reply in replies:
        for word in _WORD.findall(b" ".join(reply.lines)) if begun else ():
            if any(meant(word).startswith(name) for name in begun):
                yield word
        found = _LAST_WORD.search(reply.lines[-1]) if reply.cut or not reply.complete else None
        if found is not None:
            word, place = meant(found[1]), bisect_left(names, meant(found[1]))
            begins = len(word) >= SHORTEST and place < len(names) and names[place].startswith(word)
            if b"@" not in word and (begins or found[0].endswith(b"<" + found[1])):
                yield found[1]


def _local(person: bytes) -> bytes:
    return meant(person.rpartition(b"@")[0] or person)


def _hosts(dialogue: Dialogue) -> Iterator[bytes]:
    """Names of hosts that free text may repeat; those with a dot are known by it."""
    yield dialogue.helo or b""
    if dialogue.tls is not None and dialogue.tls.server_name is not None:
        yield dialogue.tls.server_name
    greeting = dialogue.greeting
    if greeting is not None and greeting.lines:
        name, _, rest = greeting.lines[0].partition(b" ")
        if b"smtp" in rest[:16].lower():
            yield from _host(name)
    for exchange in dialogue.exchanges:
        if exchange.command.verb in HELLOS:
            yield exchange.command.argument
            if exchange.reply is not None and exchange.reply.positive and exchange.reply.lines:
                yield from _host(exchange.reply.lines[0].partition(b" ")[0])


def _host(word: bytes) -> Iterator[bytes]:
    word = word.strip(b",.:!-")
    if word.lower() not in _NO_HOSTS:
        yield word


def hello_answers(dialogue: Dialogue) -> frozenset[int]:
    """Where the answers to EHLO stand. Their lines are keywords, which may be people's names as well: HELP, MARK."""
    return frozenset(
        each.reply.offset for each in dialogue.exchanges if each.reply is not None and each.command.verb in HELLOS
    )


class Said:
    """Redacts the dialogue of one session."""

    def __init__(self, dialogue: Dialogue, masker: Masker) -> None:
        self._dialogue = dialogue
        self._masker = masker
        self._names = masker.names
        self._replies: dict[Reply, Reply] = {}
        self._commands: dict[Command, Command] = {}
        self._keywords = hello_answers(dialogue)

    def dialogue(self) -> Dialogue:
        """All of it."""
        said = self._dialogue
        tls = said.tls
        if tls is not None and tls.server_name is not None:
            tls = tls._replace(server_name=self._names.host(tls.server_name))
        return said._replace(
            entries=tuple([self._entry(entry) for entry in said.entries]),
            exchanges=tuple([self._exchange(each) for each in said.exchanges]),
            greeting=self._answer(said.greeting),
            helo=None if said.helo is None else self._masker.argument(b"EHLO", said.helo),
            transactions=tuple([self._transaction(each) for each in said.transactions]),
            tls=tls,
            oddities=tuple([self._oddity(each) for each in said.oddities]),
            outstanding=tuple([self._command(each) for each in said.outstanding]),
        )

    def _entry(self, entry: Entry) -> Entry:
        match entry:
            case Reply():
                return self._reply(entry)
            case Command():
                return self._command(entry)
            case _:
                return entry

    def _reply(self, reply: Reply) -> Reply:
        if (told := self._replies.get(reply)) is None:
            mask = self._masker
            first, rest = reply.lines[:1], reply.lines[1:]
            plain = mask.mailboxes if reply.offset in self._keywords else mask.free_text
            lines = (*map(mask.free_text, first), *map(plain, rest))
            told = self._replies[reply] = reply._replace(lines=lines)
        return told

    def _answer(self, reply: Reply | None) -> Reply | None:
        return None if reply is None else self._reply(reply)

    def _command(self, command: Command) -> Command:
        if (told := self._commands.get(command)) is None:
            verb, mask = command.verb, self._masker
            argument = mask.argument(verb, command.argument) if command.argument else b""
            if not command.known and verb:
                # A line that is no command may be a name that somebody typed.
                verb = mask.free_text(verb).upper()
            told = self._commands[command] = command._replace(verb=verb, argument=argument)
        return told

    def _exchange(self, exchange: Exchange) -> Exchange:
        return exchange._replace(command=self._command(exchange.command), reply=self._answer(exchange.reply))

    def _transaction(self, message: MailTransaction) -> MailTransaction:
        return message._replace(
            mail_from=self._names.mailbox(message.mail_from),
            mail=self._exchange(message.mail),
            recipients=tuple([self._recipient(each) for each in message.recipients]),
            terminator=None if message.terminator is None else self._command(message.terminator),
            reply=self._answer(message.reply),
            queue_id=None if message.queue_id is None else self._masker.free_text(message.queue_id),
        )

    def _recipient(self, recipient: Recipient) -> Recipient:
        address, reply, final = recipient
        return Recipient(self._names.mailbox(address), self._answer(reply), self._answer(final))

    def _oddity(self, oddity: Oddity) -> Oddity:
        return oddity._replace(octets=self._masker.text(oddity.octets)) if oddity.octets else oddity
