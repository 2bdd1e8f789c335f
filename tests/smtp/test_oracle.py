"""Commands and replies of every stream of the corpus are those that Wireshark's dissector finds."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from pcapdiag.capture import open_captures
from pcapdiag.smtp.dialogue import DOT, Command, Dialogue, Reply
from pcapdiag.smtp.observer import SmtpObserver
from pcapdiag.tcp.connection import Connection
from pcapdiag.tcp.tracker import Tracker

pytestmark = [pytest.mark.corpus, pytest.mark.tshark]

Spoken = list[tuple[str, str]]


def observed(path: Path) -> list[tuple[Connection, Dialogue]]:
    """Every connection of a capture with its dialogue."""
    found: list[tuple[Connection, Dialogue]] = []
    captures = open_captures([path], ports=None)
    for trace in captures.traces:
        tracker = Tracker(
            lambda client, server: SmtpObserver(server.port == 465),
            lambda connection, observer: found.append((connection, observer.finish())),
            ports=None,
            trace=trace.index,
        )
        for batch in trace.batches():
            tracker.feed(batch)
        tracker.finish()
    return found


def by_tshark(tshark: str, path: Path) -> dict[frozenset[str], list[str]]:
    """Codes of replies per pair of endpoints, in order, as Wireshark's dissector reads them."""
    fields = ["ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport", "smtp.response.code"]
    command = [
        tshark,
        "-r",
        str(path),
        "-Y",
        "smtp.response.code",
        "-T",
        "fields",
        "-E",
        "aggregator=;",
        "-E",
        "occurrence=a",
    ]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    streams: dict[frozenset[str], list[str]] = {}
    for line in done.stdout.splitlines():
        src4, src6, srcport, dst4, dst6, dstport, codes = line.split("\t")
        key = frozenset((f"{src4 or src6} {srcport}", f"{dst4 or dst6} {dstport}"))
        streams.setdefault(key, []).extend(code for code in codes.split(";") if code)
    return streams


def codes_of(dialogue: Dialogue) -> list[str]:
    return [str(e.code) for e in dialogue.entries if isinstance(e, Reply)]


def clear_streams(path: Path) -> dict[frozenset[str], list[str]]:
    streams: dict[frozenset[str], list[str]] = {}
    for connection, dialogue in observed(path):
        ends = (connection.client, connection.server)
        if codes := codes_of(dialogue):
            streams.setdefault(frozenset(f"{end.address} {end.port}" for end in ends), []).extend(codes)
    return streams


def scenes(corpus: Path) -> list[Path]:
    return sorted(p for p in (corpus / "lab").glob("*/client.pcap") if "snap96" not in p.parent.name)


# Wireshark loses its place behind a reset that nobody obeyed, and where a FIN stands before the data; we go on.
WE_HEAR_MORE = {"mbox_blind_rst_wrong_seq_ineffective", "path_reorder_fin_before_data"}


def test_replies_of_the_laboratory(corpus: Path, tshark: str) -> None:
    """Port 25 only: Wireshark does not take other ports for SMTP unasked."""
    wrong = []
    for path in scenes(corpus):
        ours = clear_streams(path)
        more = path.parent.name in WE_HEAR_MORE
        for key, codes in by_tshark(tshark, path).items():
            found = ours.get(key, [])
            # A retransmitted reply is dissected again by Wireshark, and heard once by us.
            same = found == codes or set(found) == set(codes) or (more and found[: len(codes)] == codes)
            if not same:
                wrong.append((path.parent.name, found, codes))
    assert not wrong


def test_last_command_and_reply_of_real_captures(corpus: Path) -> None:
    """The truth files say the last command and the last reply of each stream, as tshark found them."""
    checked, wrong = 0, []
    for truth in sorted((corpus / "truth").glob("*.json")):
        found: dict[tuple[str, str], Dialogue] = {}
        for connection, dialogue in observed(corpus / "smtp" / truth.name.removesuffix(".json")):
            found.setdefault((str(connection.client), str(connection.server)), dialogue)
        for stream in json.loads(truth.read_text()):
            seen = found.get((stream["client"], stream["server"]))
            if seen is None or stream["tls"] or not stream["last_reply"]:
                continue
            checked += 1
            last = str(next((e.code for e in reversed(seen.entries) if isinstance(e, Reply)), ""))
            if last != stream["last_reply"][:3]:
                wrong.append((truth.stem, stream["stream"], last, stream["last_reply"]))
    assert checked > 100
    assert len(wrong) <= checked * 0.02, wrong


# Scenes in which the end of the connection lies before the end of what was said, or nothing was said at all: there the
# verdict's stage is not the dialogue's last one.
NOT_BY_SMTP_ALONE = {
    "banner_client_rst_probe",
    "connect_backlog_full",
    "connect_client_gives_up_late_synack",
    "exim_client_final_timeout",
    "mbox_rate_limiter_rst_rcpt_storm",
    "merged_two_vantage_mbox_perfect_rst",
    "path_syn_blackhole_v6",
}


def test_stages_of_the_laboratory(corpus: Path) -> None:
    wrong = []
    for truth in sorted((corpus / "lab").glob("*/truth.json")):
        scene = json.loads(truth.read_text())
        for name in scene["vantage_files"].values():
            if truth.parent.name in NOT_BY_SMTP_ALONE:
                continue
            found = {str(c.client): d for c, d in observed(truth.parent / name)}
            for session in scene["sessions"]:
                dialogue = found.get(session["client"])
                if name not in session["visible_in"] or dialogue is None or not dialogue.positions:
                    continue
                stage = dialogue.positions[-1].stage.value
                if stage not in session["acceptable"][name]["stage"]:
                    wrong.append((truth.parent.name, name, stage))
    assert not wrong


def test_verbs_are_those_that_were_sent(corpus: Path) -> None:
    path = corpus / "lab" / "postfix_server_swaks_clean" / "client.pcap"
    dialogue = next(d for _, d in observed(path) if d.greeting)
    verbs = [e.verb for e in dialogue.entries if isinstance(e, Command)]
    assert verbs[0] in (b"EHLO", b"HELO")
    assert verbs[-1] == b"QUIT"
    assert DOT in verbs
