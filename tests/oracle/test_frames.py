"""Frames: how many there are, what stands in their headers, which of them end a session. tshark is the oracle."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pcapdiag.analysis import Judged
from pcapdiag.capture import open_captures
from pcapdiag.capture.table import address_text
from pcapdiag.model import Endpoint, Side
from tests.oracle.reading import FIN, RST, Frame, Reader, ports

pytestmark = [pytest.mark.corpus, pytest.mark.tshark]


def our_frames(path: Path) -> list[Frame]:
    captures = open_captures([str(path)], ports=ports(path), engine="own")
    found = []
    for trace in captures.traces:
        for batch in trace.batches():
            for i in range(len(batch)):
                columns = (
                    batch.ip_id,
                    batch.seq,
                    batch.ack,
                    batch.flags,
                    batch.window,
                    batch.seg_len,
                    batch.tsval,
                    batch.tsecr,
                )
                src, dst = (address_text(*map(int, end[i])) for end in (batch.src, batch.dst))
                found.append(
                    Frame(
                        int(batch.frame_number[i]),
                        int(batch.time_ns[i]),
                        int(batch.frame_len[i]),
                        Endpoint(src, int(batch.srcport[i])),
                        Endpoint(dst, int(batch.dstport[i])),
                        int(batch.ttl[i]),
                        *(int(column[i]) for column in columns),
                    )
                )
    return sorted(found)


def test_every_packet_is_counted(reader: Reader) -> None:
    capinfos = shutil.which("capinfos")
    if capinfos is None:
        pytest.skip("capinfos is not installed (Debian: apt install wireshark-common)")
    known = [
        *reader.mail_captures(),
        *sorted((reader.corpus / "smtp").iterdir()),
        *sorted((reader.corpus / "odd").iterdir()),
    ]
    files = [path for path in dict.fromkeys(known) if path.suffix != ".snoop"]
    command = [capinfos, "-T", "-M", "-r", "-c", *map(str, files)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", check=False)
    counted = dict(line.rsplit("\t", 1) for line in done.stdout.splitlines())
    misses = []
    for path in files:
        captures = open_captures([str(path)], ports=frozenset({25}), engine="own")
        for trace in captures.traces:
            for _ in trace.batches():
                pass
        ours = sum(info.packets for info in captures.infos())
        if str(path) in counted and ours != int(counted[str(path)]):
            misses.append(f"{reader.name(path)}: {ours} packets, capinfos {counted[str(path)]}, {captures.errors}")
    assert len(counted) > 250
    assert not misses, "\n".join(["", *misses])


TIMELESS = {"OISF_suricata-verify__smtp-extract-url-schemes__input.pcap"}
"""Each direction has one constant time: no witness of the order, so ours are moved up to the latest before."""


def test_every_header_reads_as_in_tshark(reader: Reader) -> None:
    misses = []
    total = 0
    for path in reader.mail_captures():
        theirs, ours = reader.frames(path), our_frames(path)
        total += len(theirs)
        theirs_by, ours_by = ({frame.number: frame for frame in frames} for frames in (theirs, ours))
        for number in sorted(theirs_by.keys() ^ ours_by.keys()):
            misses.append(
                f"{reader.name(path)} frame {number}: only {'tshark' if number in theirs_by else 'we'} saw it"
            )
        for number in sorted(theirs_by.keys() & ours_by.keys()):
            pairs = zip(Frame._fields, theirs_by[number], ours_by[number], strict=True)
            different = [
                f"{name} {their!s} / {our!s}"
                for name, their, our in pairs
                if their != our and not (name == "time_ns" and path.name in TIMELESS)
            ]
            if different:
                misses.append(f"{reader.name(path)} frame {number}: tshark / we: {', '.join(different)}")
    assert total > 10_000
    assert not misses, "\n".join(["", *misses[:40], f"{len(misses)} frames of {total}"])


def test_every_fin_and_rst_is_in_the_ledger(reader: Reader) -> None:
    misses = []
    for path in reader.mail_captures():
        judged = reader.sessions(path)
        for frame in reader.frames(path):
            if frame.flags & (FIN | RST) and not any(_in_ledger(frame, one) for one in judged):
                kind = "RST" if frame.flags & RST else "FIN"
                misses.append(
                    f"{reader.name(path)} frame {frame.number}: {kind} from {frame.src} is in no session's ledger"
                )
        seen = {frame.number: frame for frame in reader.frames(path)}
        for one in judged:
            closing = one.session.connection.closing
            for event, flag in [*((fin, FIN) for fin in closing.fins), *((reset, RST) for reset in closing.resets)]:
                if not seen[event.at.frame].flags & flag:
                    misses.append(f"{reader.name(path)} frame {event.at.frame}: in our ledger, not so in tshark")
    assert not misses, "\n".join(["", *misses])


def _in_ledger(frame: Frame, one: Judged) -> bool:
    """Or it repeats, or copies, one that is: the ledger holds each FIN once and no packet twice."""
    connection = one.session.connection
    side = {
        (connection.client, connection.server): Side.CLIENT,
        (connection.server, connection.client): Side.SERVER,
    }.get((frame.src, frame.dst))
    if side is None:
        return False
    if frame.flags & RST:
        return connection.closing.resets_total > len(connection.closing.resets) or any(
            reset.claimed is side
            and (reset.at.frame == frame.number or (reset.seq, reset.ip_id) == (frame.seq, frame.ip_id))
            for reset in connection.closing.resets
        )
    stands_at = (frame.seq + frame.seg_len + bool(frame.flags & 0x02)) & 0xFFFFFFFF
    return any(fin.side is side and fin.seq == stands_at for fin in connection.closing.fins)
