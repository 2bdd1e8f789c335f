"""A verdict in few words: no surer than it is, and fair to who was held up."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcapdiag import analyze
from pcapdiag.model import Party
from pcapdiag.report.summary import lead, title
from pcapdiag.report.telling import headline
from tests.factories import make_analysis, make_judged, make_verdict

SCENES = Path(__file__).parents[2] / "captures"


@pytest.mark.parametrize(
    ("scene", "few", "heading"),
    [
        (
            "server-rst-after-data",
            "dropped by the server, data",
            "The server dropped the connection at DATA, before the go-ahead (354)",
        ),
        (
            "device-says-554-and-resets",
            "possibly dropped by a device in between, mail",
            "Possibly a device in between dropped the connection after the reply to MAIL FROM, before the next command",
        ),
        (
            "zero-window-stall",
            "dropped by the client, held up by the server, body",
            "The client, held up by the server, dropped the connection in the message's text, after the go-ahead (354)",
        ),
        (
            "greeting-never-sent",
            "dropped by the client, held up by the server, greeting",
            "The client, held up by the server, dropped the connection after connecting, before the greeting",
        ),
        ("recipient-refused", "ended as it should, quit", "The session ended as it should, but mail was refused"),
        ("greylisting", "ended as it should, quit", "The session ended as it should, but mail was put off"),
        ("clean-delivery", "ended as it should, quit", "The session ended as it should"),
        (
            "open-at-the-end",
            "still open, body",
            "Still open when the capture ended, in the message's text, after the go-ahead (354)",
        ),
    ],
)
def test_in_few_words(scene: str, few: str, heading: str) -> None:
    analysis = analyze([SCENES / scene / "capture.pcap"])
    (judged,) = analysis.sessions
    assert (headline(judged.verdict), title(analysis, only=judged)) == (few, heading)


def test_who_dropped_as_many_stands_in_the_same_order_in_every_run() -> None:
    """The order of a set depends on the hash seed."""
    dropped = [make_judged(id, verdict=make_verdict(dropped_by=party)) for id, party in enumerate([*Party][::-1], 1)]
    said = next(lead(make_analysis(*dropped), only=None, ports=None))
    assert said.startswith(
        "6 SMTP sessions: 1 dropped by the client, 1 dropped by the server, 1 dropped by a device in between"
    )
