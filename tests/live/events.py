"""Events of sessions that went one way or the other."""

from __future__ import annotations

from dataclasses import replace

from pcapdiag import analyze
from pcapdiag.analysis import Judged, KeepDialogue
from pcapdiag.live.events import Ended, Opened, Pulse
from pcapdiag.model import CaptureInfo, Endpoint
from tests.lab.record import CAPTURES

SECOND = 1_000_000_000


def judged(name: str) -> Judged:
    """The session of a capture of the lab."""
    (session,) = analyze([str(CAPTURES / name / "middle.pcap")], keep_dialogue=KeepDialogue.ALL).sessions
    return session


_DROPPED = judged("data_server_aborts")
_ORDERLY = judged("delivery")


def dropped(number: int, *, final: bool = True) -> Ended:
    """The server aborts at DATA."""
    return Ended(_DROPPED._replace(id=number), final)


def orderly(number: int) -> Ended:
    """A delivery."""
    return Ended(_ORDERLY._replace(id=number), final=True)


def opened(number: int, client: str = "192.0.2.1", server: str = "198.51.100.25") -> Opened:
    """A connection that begins."""
    return Opened(number, Endpoint(client, 40_000 + number % 20_000), Endpoint(server, 25), number * SECOND)


def pulse(second: int = 1, **fields: object) -> Pulse:
    """A second has passed."""
    quiet = Pulse(second * SECOND, packets=100 * second, dropped=0, waiting=0, open=1, down=())
    return replace(quiet, **fields)  # type: ignore[arg-type]


def info() -> CaptureInfo:
    """Of a capture that runs."""
    return CaptureInfo("eth0", "live", ("EN10MB",), 1203, 214, None, SECOND, 90 * SECOND, 0)
