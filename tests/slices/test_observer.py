"""Conversations as text: what is seen of their octets, and that it is read as before."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapdiag.model import Side
from pcapdiag.pseudonym import Level, Pseudonyms
from pcapdiag.slices.observer import MaskingObserver
from pcapdiag.smtp.dialogue import Body, Command, Dialogue, Missing, Reply
from tests.slices.wire import SAID, SECRETS
from tests.smtp.scripts import CASES
from tests.smtp.talk import C, Feeder, Gap, S, Script, script
from tests.smtp.test_secrets import ENCODED, EXCHANGES, PASSWORD, START, USER

NAMES = Pseudonyms(Level.MAIL, b"k" * 32)


class Told:
    """A script as it may be seen: fed to a `MaskingObserver`, its octets then taken from the masks."""

    def __init__(self, steps: Script, sizes: Iterable[int] = (), names: Pseudonyms = NAMES) -> None:
        feeder = Feeder()
        observer = feeder.observer = MaskingObserver(names)
        self._pieces: list[tuple[Side, int, bytes]] = []
        pattern = list(sizes)
        for step in steps:
            if isinstance(step, Gap):
                feeder.gap(step)
                continue
            side, octets = step
            self._pieces.append((side, feeder.offsets[side], octets))
            for number in range(len(octets)):
                size = pattern[number % len(pattern)] if pattern else len(octets)
                piece, octets = octets[:size], octets[size:]
                if piece:
                    feeder.data(side, piece)
        self.dialogue = observer.finish()
        self.masks = observer.masks
        self.steps: Script = [
            step if isinstance(step, Gap) else (step[0], self.seen(*piece))
            for step, piece in zip(steps, self._with_gaps(steps), strict=True)
        ]

    def _with_gaps(self, steps: Script) -> Iterable[tuple[Side, int, bytes]]:
        pieces = iter(self._pieces)
        return [(C, 0, b"") if isinstance(step, Gap) else next(pieces) for step in steps]

    def seen(self, side: Side, offset: int, octets: bytes) -> bytes:
        return self.masks[side].masked(offset, octets, conflicting=False)

    @property
    def text(self) -> bytes:
        return b"".join(step[1] for step in self.steps if not isinstance(step, Gap))


def skeleton(dialogue: Dialogue) -> list[object]:
    """What a verdict is made of: verbs, codes, lengths, places; not texts and arguments."""
    found: list[object] = [(p.stage, p.owing, p.at) for p in dialogue.positions]
    for entry in dialogue.entries:
        if isinstance(entry, Command):
            found.append((entry.verb if entry.known else b"", entry.offset, entry.end, entry.at))
        elif isinstance(entry, Reply):
            found.append((entry.code, entry.enhanced, entry.offset, entry.end, entry.complete))
        elif isinstance(entry, Body | Missing):
            found.append(entry)
    found += [(each.kind, each.at, each.side) for each in dialogue.oddities]
    return found


def read_again(steps: Script) -> Dialogue:
    feeder = Feeder()
    for step in steps:
        if isinstance(step, Gap):
            feeder.gap(step)
        else:
            feeder.data(*step)
    return feeder.observer.finish()


ALL: dict[str, Script] = {
    **{name: case.script for name, case in CASES.items() if not case.implicit_tls},
    **{f"secret: {name}": START + exchange for name, exchange in EXCHANGES.items()},
    "everything": [({"C": C, "S": S}[who], octets) for who, octets in SAID],
}


@pytest.mark.parametrize("name", ALL)
def test_it_is_read_as_before(name: str) -> None:
    told = Told(ALL[name])
    assert [len(step[1]) for step in told.steps if not isinstance(step, Gap)] == [
        len(step[1]) for step in ALL[name] if not isinstance(step, Gap)
    ]
    assert skeleton(read_again(told.steps)) == skeleton(told.dialogue)


@pytest.mark.parametrize("name", EXCHANGES)
def test_credentials_are_gone(name: str) -> None:
    text = Told(START + EXCHANGES[name]).text
    for secret in (USER, PASSWORD, *ENCODED):
        assert secret not in text
        assert secret[:16] not in text


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_secrets_are_gone_however_it_arrives(sizes: list[int]) -> None:
    text = Told(ALL["everything"], sizes).text
    assert [secret for secret in SECRETS if secret in text] == []


@given(st.data())
def test_any_copy_of_a_stretch_is_seen_alike(data: st.DataObject) -> None:
    told = Told(ALL["everything"])
    for side in Side:
        captured = b"".join(octets for who, octets in SAID if who == ("C" if side is C else "S"))
        whole = told.seen(side, 0, captured)
        begin = data.draw(st.integers(0, len(captured) - 1))
        end = data.draw(st.integers(begin, len(captured)))
        assert told.seen(side, begin, captured[begin:end]) == whole[begin:end]


@given(st.lists(st.tuples(st.sampled_from([C, S]), st.binary(max_size=80)), max_size=12))
def test_any_octets(steps: Script) -> None:
    """Whatever is sent: as long as before, and no line end comes or goes."""
    told = Told(steps, names=Pseudonyms(Level.ALL, b"k" * 32))
    for before, after in zip(steps, told.steps, strict=True):
        assert not isinstance(before, Gap)
        assert not isinstance(after, Gap)
        assert len(before[1]) == len(after[1])


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("C: MAIL FROM:<agatha@example.com> SIZE=12 ENVID=abc", "MAIL FROM:<dslohv@example.com> SIZE=12 ENVID=___"),
        ("C: RCPT TO:<>", "RCPT TO:<>"),
        ("C: AUTH PLAIN AGFnYXRoYQBzZWNyZXQ=", "AUTH PLAIN AAAAAAAAAAAAAAAAAAA="),
        ("C: AUTH AGFnYXRoYQBzZWNyZXQ=", "AUTH AAAAAAAAAAAAAAAAAAA="),
        ("C: NOOP the password is swordfish", "NOOP ___ ________ __ _________"),
        ("C: HELP me, said Agatha", "HELP ___ ____ ______"),
        ("C: XFROB the secret", "XFROB ___ ______"),
        ("C: Dear Agatha,", "____ _______"),
        ("C: Subject: the affair", "_______: __________"),
        ("C: GET /secret?token=1 HTTP/1.1", "GET _______________ HTTP/1.1"),
        ("C: EHLO pc.example.com", "EHLO pc.example.com"),
        ("C: BDAT 0 LAST", "BDAT 0 LAST"),
    ],
)
def test_a_line(said: str, seen: str) -> None:
    told = Told([(S, b"220 mx.example ESMTP\r\n"), *script(said)])
    shown = told.steps[1][1]
    assert isinstance(shown, bytes)
    words = shown.decode().removesuffix("\r\n")
    if "<dslohv" in seen:  # a pseudonym: of the same length, and letters
        assert words[:11] == seen[:11]
        assert words[11:17].isalpha()
        assert words[11:17] != "agatha"
        words = words[:11] + "dslohv" + words[17:]
    assert words == seen
