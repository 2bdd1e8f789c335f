"""One session in every disguise (`wire.VARIANTS`): its slice tells no secret, and Wireshark and pcapdiag say the same of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pcapdiag.pipeline import DEFAULT_PORTS, analyze
from pcapdiag.pseudonym import Level, Pseudonyms
from pcapdiag.slices import Reading, SliceInfo, write
from pcapdiag.smtp.stages import STEPS
from tests.slices.wire import HOSTS, SECRETS, VARIANTS, capture

KEY = b"k" * 32
KEPT = (
    *(
        "frame.time_epoch",
        "frame.len",
        "frame.cap_len",
        "frame.protocols",
        "ip.len",
        "ip.id",
        "ip.ttl",
        "ip.frag_offset",
    ),
    *("tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "tcp.window_size_value", "tcp.len", "tcp.hdr_len", "tcp.stream"),
    *(
        "ip.checksum.status",
        "tcp.checksum.status",
        "udp.checksum.status",
        "icmp.checksum.status",
        "icmpv6.checksum.status",
    ),
    *("icmp.type", "icmp.code", "smtp.req.command", "smtp.response.code"),
)
"""What Wireshark must say of the slice as of the capture."""
ANALYSIS = (
    *("retransmission", "fast_retransmission", "spurious_retransmission", "out_of_order", "lost_segment", "keep_alive"),
    *("duplicate_ack", "zero_window", "window_full", "ack_lost_segment", "reused_ports"),
)
CHECKED = ("ip", "tcp", "udp")


def cut(variant: str, level: Level, folder: Path) -> tuple[Path, Path, SliceInfo]:
    """The capture of a variant, its slice, and what was said of it."""
    before, after = folder / "trace.pcap", folder / "slice.pcapng"
    before.write_bytes(capture(variant))
    analysis = analyze([str(before)])
    assert analysis.total == 1
    return before, after, write(analysis, [1], Pseudonyms(level, KEY), str(after), Reading(DEFAULT_PORTS))


def seen(tshark: str, path: Path) -> list[list[str]]:
    """What Wireshark says of every frame."""
    options = [f"-o{each}.check_checksum:TRUE" for each in CHECKED]
    fields = [f"-e{each}" for each in (*KEPT, *(f"tcp.analysis.{each}" for each in ANALYSIS))]
    done = subprocess.run(
        [tshark, "-r", str(path), *options, "-Tfields", "-Eoccurrence=a", *fields], capture_output=True, check=True
    )
    return [_without_words(line.split("\t")) for line in done.stdout.decode().splitlines()]


def _without_words(values: list[str]) -> list[str]:
    """Wireshark takes the first four letters of anything for a command: leave those that are one."""
    at = KEPT.index("smtp.req.command")
    values[at] = ",".join(word for word in values[at].split(",") if word.encode() in STEPS)
    return values


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("variant", VARIANTS)
def test_pcapdiag_says_the_same(variant: str, level: Level, tmp_path: Path) -> None:
    before, after, info = cut(variant, level, tmp_path)
    assert info.differences == ()
    assert analyze([str(after)]).captures[0].packets == analyze([str(before)]).captures[0].packets == info.packets


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_secret_is_left(variant: str, tmp_path: Path) -> None:
    before, after, _ = cut(variant, Level.MAIL, tmp_path)
    there, left = before.read_bytes(), after.read_bytes()
    assert sum(secret in there for secret in SECRETS) >= 5
    assert [secret for secret in SECRETS if secret in left] == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_host_is_left_at_level_all(variant: str, tmp_path: Path) -> None:
    _, after, _ = cut(variant, Level.ALL, tmp_path)
    left = after.read_bytes()
    assert [secret for secret in (*SECRETS, *HOSTS) if secret in left] == []


@pytest.mark.tshark
@pytest.mark.parametrize("variant", VARIANTS)
def test_wireshark_says_the_same(variant: str, tmp_path: Path, tshark: str) -> None:
    """Headers, checksums (right where they were right, wrong where they were wrong), commands, codes, and its analysis."""
    before, after, _ = cut(variant, Level.ALL, tmp_path)
    there, here = seen(tshark, before), seen(tshark, after)
    assert len(there) == len(here)
    if variant == "with_a_hole":  # Wireshark misses DATA, and reads on in the text: "QUIT said nobody"
        for values in (*there, *here):
            values[KEPT.index("smtp.req.command")] = ""
    for frame, (one, other) in enumerate(zip(there, here, strict=True), 1):
        names = (*KEPT, *ANALYSIS)
        assert {n: v for n, v in zip(names, one, strict=True)} == {n: v for n, v in zip(names, other, strict=True)}, (
            frame
        )


def test_level_none_copies_the_octets(tmp_path: Path) -> None:
    before, after, _ = cut("once", Level.NONE, tmp_path)
    left = after.read_bytes()
    assert all(secret in left for secret in SECRETS if secret in before.read_bytes())
