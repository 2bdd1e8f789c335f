"""Who dropped it, and at which stage: the corpus' truths, judged by eye for the public captures, known for the lab's."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcapdiag.model import Strength
from pcapdiag.pipeline import analyze
from tests.oracle.reading import Reader, ports, truths
from tests.oracle.scoring import Tally, find

pytestmark = [pytest.mark.corpus, pytest.mark.tshark]


def public(reader: Reader) -> Tally:
    tally = Tally()
    for path in reader.mail_captures():
        if path.parent.name != "smtp":
            continue
        for truth in truths(path):
            where = f"{reader.name(path)} frames {truth['first_frame']}-{truth['last_frame']}"
            one = find(truth, reader.sessions(path))
            if truth["dropped_by"] is None:  # a file of many sessions that nobody judged
                assert one is not None, where
                continue
            parties = {truth["dropped_by"], *truth["also_dropped_by"]}
            stages = {truth["stage"], *truth["also_stage"]} - {"unknown", None}
            tally.add(where, one, parties, stages, f"{truth['dropped_by']}/{truth['stage']}: {truth['why']}")
    return tally


def lab(reader: Reader) -> Tally:
    tally = Tally()
    for path in reader.mail_captures():
        if path.parent.name == "smtp":
            continue
        judged = list(reader.sessions(path))
        for truth in truths(path):
            one = find(truth, judged)
            if one is not None:
                judged.remove(one)  # the same two ends may come again
            acceptable = truth["acceptable"][path.name]
            why = f"{truth['dropped_by']}/{truth['how']}/{truth['stage']}"
            tally.add(reader.name(path), one, set(acceptable["dropped_by"]), set(acceptable["stage"]), why)
    return tally


ARGUABLE = {"smtp-bug-5989"}
"""Its greeting was inflated by an editor to 5 kB, so that every later segment of the server repeats octets of it with other
content. Who believes the first copy, as a receiver does, never sees the reply to EHLO; tshark reads each segment afresh."""


def test_public_captures(reader: Reader) -> None:
    tally = public(reader)
    assert tally.views > 100
    unexplained = [miss for miss in tally.misses if not any(name in miss for name in ARGUABLE)]
    assert tally.who == tally.views, str(tally)
    assert unexplained == [], str(tally)


def test_lab_captures(reader: Reader) -> None:
    tally = lab(reader)
    assert tally.views > 150
    assert not tally.wrong, str(tally)
    assert tally.who >= 0.95 * tally.views, str(tally)
    assert tally.stage >= 0.95 * tally.staged, str(tally)


def test_strength_keeps_its_word(reader: Reader) -> None:
    """Proven is wrong never, likely in less than 2%."""
    for tally in (public(reader), lab(reader)):
        assert tally.wrong_share(Strength.PROVEN) == 0, str(tally)
        assert tally.wrong_share(Strength.LIKELY) < 0.02, str(tally)


def some_of_the_lab(reader: Reader) -> list[Path]:
    """Every twelfth view: pyshark is slow, and the whole lab takes minutes."""
    return [path for path in reader.mail_captures() if path.parent.name != "smtp" and path.stat().st_size < 60_000][
        ::12
    ]


def test_both_engines_come_to_the_same_verdict(reader: Reader) -> None:
    misses = []
    for path in some_of_the_lab(reader):
        second = list(analyze([str(path)], ports=ports(path), engine="tshark").sessions)
        for ours, theirs in zip(reader.sessions(path), second, strict=True):
            if ours.verdict != theirs.verdict:
                misses.append(f"{reader.name(path)} session {ours.id}: {ours.verdict} / tshark: {theirs.verdict}")
    assert not misses, "\n".join(["", *misses])
