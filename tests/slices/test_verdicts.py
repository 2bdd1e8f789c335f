"""The slice of every scene, and of real captures, gives the same verdict as the original; bodies and names are not in it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from pcapdiag.analysis import Analysis
from pcapdiag.model import Vantage
from pcapdiag.pipeline import DEFAULT_PORTS, analyze
from pcapdiag.pseudonym import Level, Pseudonyms
from pcapdiag.slices import Reading, write

CAPTURES = Path(__file__).parents[2] / "captures"
SCENES = sorted(path.parent.name for path in CAPTURES.glob("*/capture.pcap"))
KEY = b"k" * 32

SURROUNDINGS = {
    ("refused-by-a-nearer-device", 2): "the server's usual TTL is known from its other connections only",
    ("syn-unanswered-by-a-living-server", 1): "that the server is alive is known from its other connections only",
}
"""(scene, session) whose verdict rests on what other sessions of the capture showed: their slices read weaker, and say so."""
ADDRESS = re.compile(rb"(?i)(?:MAIL FROM|RCPT TO): ?<([^@<>\s]{4,})@")


def sliced(analysis: Analysis, number: int, level: Level, path: Path, at: Vantage | None = None) -> list[str]:
    """What the slice of a session says otherwise."""
    reading = Reading(DEFAULT_PORTS, captured_at=at)
    info = write(analysis, [number], Pseudonyms(level, KEY), str(path), reading)
    return [says for _, says in info.differences]


@pytest.mark.parametrize("name", SCENES)
def test_every_scene(name: str, tmp_path: Path) -> None:
    capture = CAPTURES / name / "capture.pcap"
    said = tomllib.loads((capture.parent / "expect.toml").read_text(encoding="utf-8")).get("captured_at")
    at = Vantage(said) if said else None
    analysis = analyze([str(capture)], captured_at=at)
    names = {found for found in ADDRESS.findall(capture.read_bytes())}
    for number in range(1, analysis.total + 1):
        for level in Level:
            says = sliced(analysis, number, level, tmp_path / "slice.pcapng", at)
            assert bool(says) == ((name, number) in SURROUNDINGS), (number, level, says)
            left = (tmp_path / "slice.pcapng").read_bytes() if level is not Level.NONE else b""
            assert [name for name in names if b"<" + name + b"@" in left] == []


def test_several_sessions_in_one_slice(tmp_path: Path) -> None:
    """What one says of the hosts is then there for the others."""
    analysis = analyze([str(CAPTURES / "refused-by-a-nearer-device" / "capture.pcap")])
    everything = range(1, analysis.total + 1)
    info = write(analysis, everything, Pseudonyms(Level.ALL, KEY), str(tmp_path / "a.pcapng"), Reading(DEFAULT_PORTS))
    assert info.sessions == tuple(everything)
    assert info.differences == ()
    assert analyze([str(tmp_path / "a.pcapng")]).total == analysis.total


@pytest.mark.corpus
@pytest.mark.parametrize("room", ["smtp", "lab"])
def test_real_captures(room: str, corpus: Path, tmp_path: Path) -> None:
    """Of each capture the first, a middle and the last session, at every level."""
    paths = [path for path in sorted((corpus / room).rglob("*")) if path.suffix in (".pcap", ".pcapng")]
    assert paths
    wrong = []
    for path in paths:
        analysis = analyze([str(path)])
        for number in {1, (analysis.total + 1) // 2, analysis.total} if analysis.total else ():
            for level in Level:
                says = sliced(analysis, number, level, tmp_path / "slice.pcapng")
                wrong += [(path.name, number, level.value, each) for each in says]
    assert wrong == []
