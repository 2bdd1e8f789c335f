"""The last command and the last reply in clear text, as the corpus' truth (made with tshark) has them."""

from __future__ import annotations

import pytest

from pcapdiag.analysis import Judged
from pcapdiag.smtp.dialogue import DOT, Command, Reply
from tests.oracle.reading import Reader, truths
from tests.oracle.scoring import find

pytestmark = [pytest.mark.corpus, pytest.mark.tshark]

DEFENSIBLE = {
    (
        "OISF_suricata-verify__smtp-long-command__input.pcap",
        1,
    ): "QUIT (frame 19) answers the 334 of AUTH LOGIN as a user name",
    ("OISF_suricata-verify__smtperr.pcap", 13): "frame 122 is a text without a code, frame 124 QUIT without a line end",
    (
        "seladb_PcapPlusPlus__Smtp.pcap",
        1,
    ): "the 334 of frame 3 comes after the greeting; tshark cannot dissect it over the gap",
}
"""(file, first frame) -> why we read another last command or reply than tshark."""


def test_last_command_and_last_reply(reader: Reader) -> None:
    misses = []
    compared = 0
    for truth_path in sorted((reader.corpus / "truth").glob("*.json")):
        path = reader.corpus / "smtp" / truth_path.name.removesuffix(".json")
        for truth in truths(path):
            one = find(truth, reader.sessions(path))
            where = f"{reader.name(path)} frames {truth['first_frame']}-{truth['last_frame']}"
            if one is None:
                misses.append(f"{where}: no such session")
                continue
            if (path.name, truth["first_frame"]) in DEFENSIBLE:
                continue
            verb, reply = _last_verb(one), _last_reply(one)
            compared += 1
            if verb != truth["last_command"].partition(" ")[0].upper():
                misses.append(f"{where}: last command {verb!r}, tshark {truth['last_command']!r}")
            if not _same_reply(reply, truth["last_reply"]):
                misses.append(f"{where}: last reply {reply!r}, tshark {truth['last_reply']!r}")
    assert compared > 100
    assert not misses, "\n".join(["", *misses])


def _last_verb(one: Judged) -> str:
    """The end of data, the lines of an AUTH exchange and lines that are no command are not what tshark calls a command."""
    commands = [entry for entry in one.session.dialogue.entries if isinstance(entry, Command) and entry.known]
    return next((c.verb.decode() for c in reversed(commands) if c.verb not in (DOT, b"*", b"")), "")


def _last_reply(one: Judged) -> str:
    replies = [entry for entry in one.session.dialogue.entries if isinstance(entry, Reply)]
    return (
        f"{replies[-1].code} {replies[-1].lines[-1].decode('utf-8', 'replace')}"
        if replies and replies[-1].lines
        else ""
    )


def _same_reply(ours: str, theirs: str) -> bool:
    return ours[:3] == theirs[:3] if theirs[:3].isdigit() or not theirs else theirs.strip()[:12] in ours
