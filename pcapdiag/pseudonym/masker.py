"""Free text of a session -> the same text without the names that occurred in it, octet for octet.

Servers repeat addresses in every form: ``550 <anna@example.com>``, ``User anna unknown``, a link with
``anna%40example.com``. So each place where a name may stand is found first (`_Find`: from, to, and what stands there
afterwards), then the places are put together; where two overlap, the one found first counts. Every search looks at an
octet a bounded number of times.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from pcapdiag.pseudonym import addresses, commands
from pcapdiag.pseudonym.encoded import decoded_base64
from pcapdiag.pseudonym.level import Level
from pcapdiag.pseudonym.spelling import from_percent, from_xtext, meant, names_in

if TYPE_CHECKING:
    from pcapdiag.pseudonym.names import Pseudonyms

SHORTEST = 3
"""A shorter local part is replaced as part of an address, in brackets and in quotes, but not where it stands alone:
``a`` and ``to`` are words of every reply."""
CUT_FROM = 200
"""From this length on a text may have been cut: oddities at 200 octets, lines at 1,000."""
_MOST_PHRASES = 50

# RFC 5322 3.2.3 atext and the dot, and what SMTPUTF8 (RFC 6531) adds.
_A = rb"A-Za-z0-9!#$%&'*+/=?^_`{|}~.\-\x80-\xff"
_N = rb"A-Za-z0-9_.\-\x80-\xff"
_MARKS = b"!#$%&'*+/=?^`{|}~."

_LOCAL = re.compile(rb'(?<![%b])(?:[%b]++|"(?:[^"\\\r\n]|\\.){0,128}+"){1,4}+(?=@)' % (_A, _A), re.S)
_PERCENT = re.compile(rb"(?<![%b%%])(?:(?!%%40)[%b%%])++(?=%%40[A-Za-z0-9-]{1,63}+\.)" % (_N, _N))
_XTEXT = re.compile(rb"(?<![%b+])(?:(?!\+40)[%b+])++(?=\+40[A-Za-z0-9-]{1,63}+\.)" % (_N, _N))
_FIELD = re.compile(
    rb"(?://[^\s@]{0,500}[/?&=]"
    rb"|(?:orig_)?(?:to|from|cc|rcpt|recipient|sender|user|username|login|address|addr|mail|mailfrom|mfrom|email|auth"
    rb"|orcpt|id|name)=)",
    re.I,
)
_RUN = re.compile(rb"[%b]++" % _A)
_NAME = re.compile(rb"[%b]++" % _N)
_ALNUM = re.compile(rb"[A-Za-z0-9\x80-\xff]++")
_PART = re.compile(rb"[^_.\-]++")
_ASCII = re.compile(rb"[A-Za-z0-9]++")
_IPV6 = re.compile(rb"(?:(?<![A-Za-z0-9:.])|(?<=IPv6:)|(?<=ipv6:)|(?<=IPV6:))[0-9A-Fa-f:.]{2,64}+(?![A-Za-z0-9])")
_HOST = re.compile(rb"[%b]*\.(?:[A-Za-z][A-Za-z0-9-]*|[^\x00-\x7f][^.]*)[A-Za-z0-9\x80-\xff]" % _N)
_DASHED_IP = re.compile(rb"(?<![0-9])(?:[0-9]{1,3}-){3}[0-9]{1,3}(?![0-9])")
_STATUS = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}(?![^ \t])")
_AROUND = {b"<": b">", b'"': b'"', b"'": b"'", b"`": b"'", b"(": b")"}


class _Find(NamedTuple):
    begin: int
    end: int
    told: bytes


@dataclass(frozen=True, slots=True)
class Masker:
    """Masks free text of one session."""

    names: Pseudonyms
    words: frozenset[bytes]
    """Local parts as they are meant, and names inside them."""
    ordered: tuple[bytes, ...]
    phrases: tuple[bytes, ...]
    """Those of them that hold spaces or other octets that end a word."""
    hosts: frozenset[bytes]
    """Host names without a dot: others are known by their form. Lower case."""
    keep: tuple[bytes, ...]

    @classmethod
    def of(cls, names: Pseudonyms, words: Iterable[bytes], hosts: Iterable[bytes], keep: Iterable[bytes]) -> Masker:
        """See `Pseudonyms.knowing`."""
        if names.level is Level.NONE:
            return cls(names, frozenset(), (), (), frozenset(), ())
        known: set[bytes] = set()
        domains = {host.lower() for host in hosts if host}
        for word in words:
            path = word.partition(b":")[2] if word.startswith(b"@") else word
            local, at, domain = path.rpartition(b"@")
            if at and domain:
                domains.add(domain.lower())
            known.update(names_in(local if at else path))
        known -= {domain for domain in domains if b"." in domain} | {b""}
        phrases = [word for word in known if len(word) >= SHORTEST and not _RUN.fullmatch(word)]
        return cls(
            names,
            frozenset(known),
            tuple(sorted(known)),
            tuple(sorted(phrases, key=len, reverse=True)[:_MOST_PHRASES]),
            frozenset([host for host in domains if b"." not in host and len(host) >= SHORTEST]),
            tuple([word for word in keep if word and known.isdisjoint(_ALNUM.findall(meant(word)))]),
        )

    def text(self, octets: bytes) -> bytes:
        """The text without mail addresses and known names, as long as before (see `Pseudonyms.fitted`)."""
        if commands.PATH_LINE.match(octets):
            verb, _, argument = octets.partition(b" ")
            return octets[: len(verb) + 1] + self.argument(verb.upper(), argument)
        return self.free_text(octets)

    def argument(self, verb: bytes, octets: bytes) -> bytes:
        """A command's argument (verb in upper case): a path, a parameter, a user's name are known by their place."""
        return octets if self.names.level is Level.NONE else commands.masked(self, verb, octets)

    def free_text(self, octets: bytes) -> bytes:
        """What is no command."""
        return self._masked(octets, whole_words=True)

    def mailboxes(self, octets: bytes) -> bytes:
        """The same, but local parts only in mail addresses: for host names (HELO) and keywords (the answer to EHLO)."""
        return self._masked(octets, whole_words=False)

    def _masked(self, octets: bytes, *, whole_words: bool) -> bytes:
        if self.names.level is Level.NONE or not octets:
            return octets
        finds = [self._mailboxes(octets)] if b"@" in octets else []
        finds += [self._encoded(octets)]
        if self.words and whole_words:
            finds += [self._phrases(octets), self._words(octets), self._base64(octets), self._cut_off(octets)]
        if self.names.level is Level.ALL:
            finds += [self._hosts(octets)]
        return _put_together(octets, chain.from_iterable(finds), self._kept(octets))

    def _kept(self, octets: bytes) -> Iterator[tuple[int, int]]:
        """Stretches that stay whatever they look like."""
        if found := _STATUS.match(octets):
            yield found.span()
        for word in self.keep:
            begin = octets.find(word)
            while begin >= 0:
                at = word.rfind(b"@") if self.names.level is Level.ALL else -1
                yield begin, begin + (len(word) if at < 0 else at)
                begin = octets.find(word, begin + len(word))

    def _known(self, octets: bytes, shortest: int = SHORTEST) -> bool:
        return len(octets) >= shortest and meant(octets) in self.words

    # --- Mail addresses ----------------------------------------------------------------------------------------------

    def _mailboxes(self, octets: bytes) -> Iterator[_Find]:
        """Whatever stands before an at sign."""
        for found in _LOCAL.finditer(octets):
            local = found[0]
            skipped = 0
            if not self._known(local, 1):
                field = _FIELD.match(local)
                skipped = field.end() if field else 0
                skipped += len(local) - skipped - len(local[skipped:].lstrip(_MARKS))
            if skipped < len(local):
                yield _Find(found.start() + skipped, found.end(), self.names.local_part(local[skipped:]))

    def _encoded(self, octets: bytes) -> Iterator[_Find]:
        for form, decode, mark in ((_PERCENT, from_percent, b"%40"), (_XTEXT, from_xtext, b"+40")):
            if mark in octets:
                for found in form.finditer(octets):
                    yield _Find(*found.span(), self.names.local_part(decode(found[0]), len(found[0])))

    # --- Known names -------------------------------------------------------------------------------------------------

    def _words(self, octets: bytes) -> Iterator[_Find]:
        """Known names that stand alone, or with marks around them."""
        for found in _RUN.finditer(octets):
            run, begin = found[0], found.start()
            around = octets[begin - 1 : begin] if begin else b""
            enclosed = around != b"" and _AROUND.get(around) == octets[found.end() : found.end() + 1]
            if self._known(run, 1 if enclosed else SHORTEST):
                yield self._find(begin, run)
                continue
            core = run.strip(_MARKS)
            quoted = run[:1] in (b"'", b"`") and run[-1:] == b"'"
            if self._known(core, 1 if quoted else SHORTEST):
                yield self._find(begin + run.find(core), core)
                continue
            yield from self._names(run, begin)

    def _names(self, run: bytes, begin: int) -> Iterator[_Find]:
        """Known names inside a run of characters, between marks; between hyphens where it is no name with dots."""
        for found in _NAME.finditer(run):
            name = found[0].strip(b".")
            at = begin + found.start() + found[0].find(name)
            if self._known(name):
                yield self._find(at, name)
            elif b"." not in name:
                parts = [*_PART.finditer(name)]
                if not name.isascii():
                    parts += _ASCII.finditer(name)  # between quotation marks, dashes and the like of Unicode
                for part in parts:
                    if self._known(part[0]):
                        yield self._find(at + part.start(), part[0])

    def _phrases(self, octets: bytes) -> Iterator[_Find]:
        """Known names with spaces in them."""
        plain = octets.lower()
        for phrase in self.phrases:
            begin = plain.find(phrase)
            while begin >= 0:
                end = begin + len(phrase)
                if not _RUN.match(plain[end : end + 1]) and not _RUN.match(plain[begin - 1 : begin] if begin else b""):
                    yield self._find(begin, octets[begin:end])
                begin = plain.find(phrase, end)

    def _base64(self, octets: bytes) -> Iterator[_Find]:
        """Base64 that holds a known name."""
        for begin, token, text in decoded_base64(octets):
            if not self.words.isdisjoint(_parts(meant(text))):
                yield self._find(begin, token)

    def _cut_off(self, octets: bytes) -> Iterator[_Find]:
        """The beginning of a known name at the end of a text that was cut there."""
        end = len(octets.removesuffix(b"..."))
        if end == len(octets) < CUT_FROM:
            return
        begin = max(octets.rfind(mark, 0, end) for mark in (b" ", b"<", b":", b"\n", b'"', b"=", b";", b"(")) + 1
        tail = meant(octets[begin:end])
        place = bisect_left(self.ordered, tail)
        known = place < len(self.ordered) and self.ordered[place].startswith(tail)
        if tail and (octets[begin - 1 : begin] == b"<" or (known and len(tail) >= SHORTEST)) and b"@" not in tail:
            name = self.ordered[place] if known else tail
            yield _Find(begin, end, self.names.local_part(name, end - begin))

    def _find(self, begin: int, name: bytes) -> _Find:
        return _Find(begin, begin + len(name), self.names.local_part(name))

    # --- Host names and IP addresses ---------------------------------------------------------------------------------

    def _hosts(self, octets: bytes) -> Iterator[_Find]:
        if b":" in octets:
            for found in _IPV6.finditer(octets):
                text = found[0].rstrip(b".")
                text = text if text.endswith(b"::") else text.rstrip(b":")
                if text.count(b":") > 1 and addresses.is_address(text):
                    yield _Find(found.start(), found.start() + len(text), self.names.address_in(text))
        for found in _NAME.finditer(octets):
            begin = found.start()
            if found[0].startswith(b"40") and octets[begin - 1 : begin] in (b"%", b"+") and begin:
                begin += 2  # an at sign, encoded
            name = octets[begin : found.end()].strip(b".")
            begin = octets.find(name, begin)
            if addresses.is_address(name):
                yield _Find(begin, begin + len(name), self.names.address_in(name))
            elif self._is_host(name) or (name and octets[begin - 1 : begin] == b"@" and begin):
                yield _Find(begin, begin + len(name), self.names.host(name))
            elif b"." not in name:
                for inner in _DASHED_IP.finditer(name):
                    yield _Find(begin + inner.start(), begin + inner.end(), addresses.shape(inner[0]))

    def _is_host(self, name: bytes) -> bool:
        return _HOST.fullmatch(name) is not None or name.lower() in self.hosts


def _parts(text: bytes) -> frozenset[bytes]:
    """The words of a text in which a known name is looked for."""
    runs = _RUN.findall(text)
    return frozenset(word for run in runs for word in (run, *_NAME.findall(run)) if len(word) >= SHORTEST)


def _put_together(octets: bytes, finds: Iterable[_Find], kept: Iterable[tuple[int, int]]) -> bytes:
    """The text with what was found; of finds that overlap the first."""
    taken = bytearray(len(octets))
    for begin, end in kept:
        taken[begin:end] = b"\1" * (end - begin)
    chosen = []
    for find in finds:
        if taken.find(1, find.begin, find.end) < 0:
            taken[find.begin : find.end] = b"\1" * (find.end - find.begin)
            chosen.append(find)
    if not chosen:
        return octets
    pieces, at = [], 0
    for find in sorted(chosen):
        pieces += [octets[at : find.begin], find.told]
        at = find.end
    pieces.append(octets[at:])
    return b"".join(pieces)


__all__ = ["Masker"]
