"""Any octets give a result or a `CaptureError`. ``python -m tests.fuzz.contract`` tries longer."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fuzz.contract import hold, seeds
from tests.fuzz.mutation import WORDS, mutated

one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
PCAP = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)


@cache
def bundled() -> tuple[bytes, ...]:
    return tuple(seeds())


@one_folder
@given(seed=st.integers(0, 2**32), any_port=st.booleans())
def test_mutated_captures(tmp_path: Path, seed: int, any_port: bool) -> None:
    (tmp_path / "mutant").write_bytes(mutated(bundled(), Random(seed)))
    hold(tmp_path / "mutant", any_port)


@one_folder
@given(data=st.binary(max_size=400))
@example(b"")
@example(PCAP)
@example(PCAP[:23])
@example(b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a" + b"\xff" * 20)
@example(b"\x1f\x8b\x08\x00\x00\x00\x00\x00")
@example(b"\x28\xb5\x2f\xfd\x04\x00")
def test_any_octets(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "octets").write_bytes(data)
    hold(tmp_path / "octets", any_port=False)


@one_folder
@given(
    steps=st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from((0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x14, 0x00, 0x3F)),
            st.integers(-5, 200),
            st.integers(-5, 200),
            st.sampled_from((*WORDS, b"", b"x", b"x" * 1400)),
            st.integers(-2_000_000, 400_000_000),
        ),
        max_size=40,
    )
)
def test_any_conversation(tmp_path: Path, steps: list[tuple[bool, int, int, int, bytes, int]]) -> None:
    """Segments that are well formed each, and together tell anything at all."""
    at = 1_700_000_000 * 10**6
    capture = bytearray(PCAP)
    for from_client, flags, seq, ack, payload, pause in steps:
        at += pause
        ends = (b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x19") if from_client else (b"\xc0\x00\x02\x19", b"\xc0\x00\x02\x01")
        ports = (40000, 25) if from_client else (25, 40000)
        tcp = struct.pack(">HHIIBBHHH", *ports, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 501, 0, 0) + payload
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0x4000, 64, 6, 0) + b"".join(ends)
        frame = bytes(12) + b"\x08\x00" + ip + tcp
        capture += struct.pack("<IIII", at // 10**6, at % 10**6, len(frame), len(frame)) + frame
    (tmp_path / "conversation").write_bytes(capture)
    hold(tmp_path / "conversation", any_port=False)
