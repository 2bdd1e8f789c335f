"""Metamorphic tests over the scenes: the same story, told by other packets, has the same verdict.

No truth is needed for that: each scene's own verdict is the oracle.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from pcapdiag.diagnosis.verdict import Verdict
from pcapdiag.model import Party, Strength
from pcapdiag.pipeline import analyze
from tests.oracle.disguises import ALIKE, LESS, SAME, File, Packets, pcap, read
from tests.scenes.build import scenes

CUT = {
    "cut-packets-hide-the-quit",
    "headers-only-clean",
    "headers-only-second-message-reset",
    "snaplen-68-clean",
    "snaplen-96",
}
"""Scenes whose packets are cut already."""

FRAGMENTS = {"ip-fragments"}
"""They have no TCP header to disguise."""

HIDDEN = {
    # A TTL that is no initial one does not tell where the capture was taken.
    "further away": {"server-backlog-full-seen-at-the-server"},
    # Two TTLs of the server are no baseline.
    "seen twice": {"server-backlog-full-seen-at-the-server", "refused-by-a-nearer-device"},
    # New IP IDs hide which packet was seen at both points.
    **{name: {"reset-seen-at-one-of-two-points"} for name in ALIKE.keys() - {"seen twice"}},
}
"""By disguise: scenes whose verdict stands on what the disguise takes away."""


@cache
def stories() -> dict[str, Packets]:
    return {scene.name: read(scene / "capture.pcap") for scene in scenes() if scene.name not in CUT | FRAGMENTS}


def verdicts(path: Path, octets: bytes) -> list[Verdict]:
    path.write_bytes(octets)
    return [judged.verdict for judged in analyze([str(path)]).sessions]


@pytest.fixture(scope="module")
def undisguised(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Verdict]]:
    path = tmp_path_factory.mktemp("undisguised") / "trace"
    return {name: verdicts(path, pcap(packets)) for name, packets in stories().items()}


def words(verdict: Verdict, *, strength: bool) -> tuple[str, ...]:
    said = [verdict.dropped_by, verdict.how, verdict.stage, verdict.impact, *([verdict.strength] if strength else [])]
    return tuple(str(word.value if word else None) for word in said)


@pytest.mark.parametrize(("name", "strength"), [*((name, True) for name in SAME), *((name, False) for name in ALIKE)])
def test_a_disguise_changes_no_verdict(
    tmp_path: Path, undisguised: dict[str, list[Verdict]], name: str, strength: bool
) -> None:
    file: File = (SAME if strength else ALIKE)[name]
    different = []
    for scene, packets in stories().items():
        before = [words(verdict, strength=strength) for verdict in undisguised[scene]]
        after = [words(verdict, strength=strength) for verdict in verdicts(tmp_path / "trace", file(packets))]
        if before != after and scene not in HIDDEN.get(name, ()):
            different.append(f"{scene}: {before} became {after}")
    assert not different, "\n".join(different)


@pytest.mark.parametrize("name", LESS)
def test_less_to_see_is_no_reason_to_accuse(tmp_path: Path, undisguised: dict[str, list[Verdict]], name: str) -> None:
    accused = []
    for scene, packets in stories().items():
        if all(verdict.dropped_by is Party.NOBODY and verdict.how.value == "quit" for verdict in undisguised[scene]):
            for verdict in verdicts(tmp_path / "trace", LESS[name](packets)):
                harmless = verdict.dropped_by in (Party.NOBODY, Party.UNDETERMINED)
                if not harmless and verdict.strength is not Strength.POSSIBLE:
                    accused.append(f"{scene}: {words(verdict, strength=True)} by {verdict.rule}")
    assert not accused, "\n".join(accused)
