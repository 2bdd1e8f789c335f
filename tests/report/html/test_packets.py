"""The packets that matter: the right ones, and their numbers as tshark shows them."""

from __future__ import annotations

import subprocess
from datetime import UTC
from pathlib import Path

import pytest

from pcapdiag import analyze
from pcapdiag.analysis import Judged, KeepDialogue
from pcapdiag.report.clock import Clock
from pcapdiag.report.html.conversation import conversation
from pcapdiag.report.html.packets import MOST, NONE, Packets, packets
from tests.factories import make_closing, make_connection, make_judged, make_reset
from tests.report.stories import gateway_reset

SCENES = Path(__file__).parents[3] / "captures"
FIELDS = ("frame.number", "tcp.seq", "tcp.ack", "tcp.len", "ip.ttl", "ip.id", "tcp.window_size_value")


def shown(judged: Judged) -> Packets:
    return packets(judged, conversation(judged, whole=False).lines, Clock(UTC))


def test_the_end_and_what_the_evidence_names() -> None:
    rows = shown(gateway_reset()).rows
    assert [(row.frame, row.end) for row in rows] == [("12", False), ("14", True)]
    assert rows[0].says.startswith("354 ")
    assert rows[1].tcp[:3] == ("server", "RA", "801")


def test_a_flood_of_resets_is_cut_and_the_end_stays() -> None:
    resets = tuple(make_reset(100 + number, seconds=4.0 + number) for number in range(50))
    judged = make_judged(connection=make_connection(closing=make_closing(fins=(), resets=resets)))
    told = shown(judged)
    assert len(told.rows) == MOST
    assert told.left_out
    assert [row for row in told.rows if row.end]


@pytest.mark.tshark
@pytest.mark.parametrize(
    "name",
    [
        "article-499-no-routing-hosts",
        "rst-to-both-ends",
        "fins-cross",
        "pmtu-black-hole",
        "exim-loses-patience",
        "forged-fin",
        "rst-after-221",
        "refused-connect",
    ],
)
def test_numbers_are_those_of_tshark(name: str, tshark: str) -> None:
    path = SCENES / name / "capture.pcap"
    asked = [tshark, "-n", "-r", str(path), "-T", "fields", "-E", "separator=,", "-E", "occurrence=f"]
    done = subprocess.run(
        [*asked, *(part for each in FIELDS for part in ("-e", each))], capture_output=True, check=True
    )
    theirs = {values[0]: values[1:] for values in (line.split(",") for line in done.stdout.decode().splitlines())}
    compared = 0
    for judged in analyze([path], keep_dialogue=KeepDialogue.ALL).sessions:
        for row in shown(judged).rows:
            seq, ack, length, ttl, ip_id, window = theirs[row.frame]
            ours = row.tcp
            if ours.flags == NONE:
                continue
            compared += 1
            assert (ours.length, ours.ttl, ours.ip_id, ours.window) == (length, ttl, str(int(ip_id, 16)), window)
            assert ours.seq in (seq, NONE)
            assert ours.ack in (ack, NONE)
    assert compared
