"""What the flight recorder keeps, and what it does not: on the lab's captures, whose checksums are right."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether
from scapy.utils import RawPcapReader

from pcapdiag import analyze
from pcapdiag.analysis import Judged, KeepDialogue
from pcapdiag.capture.columns import Columns, Wanted
from pcapdiag.capture.formats import reader_for
from pcapdiag.capture.frames import Window
from pcapdiag.capture.live import LiveBatch
from pcapdiag.capture.source import Source
from pcapdiag.errors import UsageError
from pcapdiag.live.blanking import SHOWN
from pcapdiag.live.events import Ended
from pcapdiag.live.kept import Memory
from pcapdiag.live.recorder import MOST_A_MINUTE, Recorder
from pcapdiag.live.shelf import Limits
from pcapdiag.model import CaptureInfo, Stage
from pcapdiag.pipeline import DEFAULT_PORTS
from pcapdiag.report.json import session_object

CAPTURES = Path(__file__).parents[2] / "captures" / "lab"
INFO = CaptureInfo("eth0", "live", ("EN10MB",), 0, 0, None, None, None, 0)
STORIES = ("data_server_aborts", "reply_to_dot_too_late", "late_in_body_client_killed", "bdat_server_closes_between_chunks",
           "auth_login_client_closes", "connect_icmp_prohibited", "starttls_blotted_out", "tls12_client_aborts_in_body")  # fmt: skip


def batches(path: Path) -> Iterator[LiveBatch]:
    """The frames of a capture, as they come from an interface."""
    source, columns = Source(str(path)), Columns()
    columns.begin(0, Wanted(DEFAULT_PORTS), 0)
    for block in reader_for(Window(source), str(path)).blocks():
        yield LiveBatch(columns.table(block), block)
    source.close()


def recorded(path: Path, directory: Path, **settings: Any) -> tuple[list[Judged], list[str]]:
    """Record a capture; its sessions, and what the recorder complained of."""
    complaints: list[str] = []
    recorder = Recorder(
        directory,
        DEFAULT_PORTS,
        lambda ended: json.dumps(session_object(ended.judged)),
        lambda: INFO,
        complaints.append,
        **settings,
    )
    for batch in batches(path):
        recorder.take(batch)
    sessions = list(analyze([str(path)], keep_dialogue=KeepDialogue.ALL).sessions)
    for judged in sessions:
        recorder.hear(Ended(judged, final=True))
    return sessions, complaints


def slices(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.pcapng"))


@pytest.mark.parametrize("name", STORIES)
def test_the_slice_says_what_the_capture_said(name: str, tmp_path: Path) -> None:
    (judged, *_), complaints = recorded(CAPTURES / name / "middle.pcap", tmp_path, everything=True)
    assert complaints == []
    again = next(iter(analyze([str(slices(tmp_path)[0])]).sessions)).verdict
    for field in "dropped_by", "how", "stage", "owing", "strength", "rule", "impact", "waited_ns", "stalled_by":
        assert getattr(again, field) == getattr(judged.verdict, field), field


@pytest.mark.parametrize("name", STORIES)
def test_checksums_are_right(name: str, tmp_path: Path) -> None:
    recorded(CAPTURES / name / "middle.pcap", tmp_path, everything=True)
    (path,) = slices(tmp_path)
    for frame, _ in RawPcapReader(str(path)):
        packet = Ether(frame)
        if TCP in packet:
            told = packet[TCP].chksum
            del packet[TCP].chksum
            assert Ether(bytes(packet))[TCP].chksum == told


def test_messages_become_x_behind_their_beginning_unless_asked_for(tmp_path: Path) -> None:
    original = CAPTURES / "reply_to_dot_too_late" / "middle.pcap"
    for bodies in False, True:
        directory = tmp_path / str(bodies)
        directory.mkdir()
        recorded(original, directory, everything=True, bodies=bodies)
        kept = payload(slices(directory)[0])
        assert len(kept) == len(payload(original))
        assert (kept == payload(original)) is bodies
    kept = payload(slices(tmp_path / "False")[0])
    content = kept.partition(b"DATA\r\n")[2]
    message, dot, _ = content.partition(b"\r\n.\r\n")
    assert dot
    assert message.startswith(b"From: ")
    assert set(message[SHOWN:]) == set(b"x\r\n")


def payload(path: Path) -> bytes:
    """All octets of the client's stream, as its frames have them."""
    packets = [Ether(frame) for frame, _ in RawPcapReader(str(path))]
    return b"".join(bytes(packet[TCP].payload) for packet in packets if TCP in packet and packet[TCP].dport == 25)


def test_credentials_are_never_kept(tmp_path: Path) -> None:
    original = CAPTURES / "auth_login_client_closes" / "middle.pcap"
    assert b"YW5uYQ==" in original.read_bytes()
    recorded(original, tmp_path, everything=True)
    (path,) = slices(tmp_path)
    assert b"AUTH LOGIN" in path.read_bytes()
    assert b"YW5uYQ==" not in path.read_bytes()


def test_what_ended_well_is_forgotten(tmp_path: Path) -> None:
    recorded(CAPTURES / "delivery" / "middle.pcap", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_later_verdict_takes_the_place_of_the_first(tmp_path: Path) -> None:
    path = CAPTURES / "data_server_aborts" / "middle.pcap"
    recorder = Recorder(tmp_path, DEFAULT_PORTS, lambda ended: "{}", lambda: INFO, lambda text: None)
    for batch in batches(path):
        recorder.take(batch)
    (judged,) = analyze([str(path)], keep_dialogue=KeepDialogue.ALL).sessions
    recorder.hear(Ended(judged, final=False))
    assert slices(tmp_path) == []
    for stage in Stage.RCPT, Stage.DATA:
        changed = judged._replace(verdict=judged.verdict._replace(stage=stage))
        recorder.hear(Ended(changed, final=True, again=stage is Stage.DATA))
    assert [path.name.split("_")[3] for path in slices(tmp_path)] == ["data"]
    assert recorder.count == 1


@pytest.mark.parametrize(("limits", "left"), [(Limits(sessions=2), 2), (Limits(octets=1), 0), (Limits(), 4)])
def test_the_oldest_goes_when_there_is_too_much_and_nothing_of_others(
    tmp_path: Path, limits: Limits, left: int
) -> None:
    (tmp_path / "notes.json").write_text("{}")
    (tmp_path / ".pcapdiag-left-behind").write_text("half")
    for name in STORIES[:4]:
        recorded(CAPTURES / name / "middle.pcap", tmp_path, everything=True, limits=limits)
    assert len(slices(tmp_path)) == left
    assert len(list(tmp_path.iterdir())) == 2 * left + 1


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A long message keeps its first and last frames whole; many connections push one another out."""
    path = CAPTURES / "reply_to_dot_too_late" / "middle.pcap"
    memory = Memory(DEFAULT_PORTS, budget=20_000)
    (judged,) = analyze([str(path)]).sessions
    (batch,) = batches(path)
    connection = judged.session.connection
    for _ in range(20):
        memory.take(batch)
        assert memory.octets <= 20_000 or not memory._open
    roomy = Memory(DEFAULT_PORTS)
    for _ in range(3000):
        roomy.take(batch)
    assert roomy.octets < 12 << 20
    frames = roomy.frames(connection.client, connection.server, connection.first, connection.last.time_ns)
    assert len(frames) > 20_000
    roomy.forget(connection.client, connection.server, connection.last.time_ns)
    assert roomy.octets == 0


def test_a_directory_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written to"):
        Recorder(tmp_path / "nowhere", None, lambda ended: "", lambda: INFO, lambda text: None)


def test_a_storm_is_not_written_out_whole(tmp_path: Path) -> None:
    path = CAPTURES / "data_server_aborts" / "middle.pcap"
    said: list[str] = []
    recorder = Recorder(tmp_path, DEFAULT_PORTS, lambda ended: "{}", lambda: INFO, said.append)
    (judged,) = analyze([str(path)]).sessions
    for number in range(MOST_A_MINUTE + 20):
        recorder.hear(Ended(judged._replace(id=number + 1), final=True))
    assert recorder.count == MOST_A_MINUTE
    assert said == [f"more than {MOST_A_MINUTE} sessions a minute: some are not saved"]


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    recorded(CAPTURES / STORIES[0] / "middle.pcap", tmp_path, everything=True)
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1))
    recorded(CAPTURES / STORIES[1] / "middle.pcap", tmp_path, everything=True, limits=Limits(age_s=3600))
    assert len(slices(tmp_path)) == 1
