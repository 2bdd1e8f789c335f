"""BDAT chunks are counted to their last octet; what reaches a host that has gone deaf counts as said."""

import pytest

from .deed import Deed, completed
from .dialogue import view
from .journal import Event
from .scenario import SHOTS
from .test_truth import TO_RCPT, exchange
from .truth import accepted


def sent(octets: int) -> list[Event]:
    return [
        {"actor": "client", "action": "sends", "session": 0, "octets": octets},
        {"actor": "server", "action": "takes", "session": 0, "octets": octets},
    ]


@pytest.mark.parametrize(
    ("events", "stage", "owing", "impact"),
    [
        (exchange("BDAT 100", None), "body", "client", "delayed"),
        ([*exchange("BDAT 100", None), *sent(100)], "body", "server", "delayed"),
        ([*exchange("BDAT 100", None), *sent(100), *exchange(None, "250 ok")], "body", "client", "delayed"),
        ([*exchange("BDAT 100 LAST", None), *sent(99)], "body", "client", "delayed"),
        ([*exchange("BDAT 100 LAST", None), *sent(100)], "end-of-data", "server", "duplicate-risk"),
        ([*exchange("BDAT 100 LAST", None), *sent(100), *exchange(None, "250 ok")], "end-of-data", "client", "none"),
        (exchange("BDAT 0 LAST", None), "end-of-data", "server", "duplicate-risk"),
    ],
)
def test_a_chunk_ends_with_its_last_octet(events: list[Event], stage: str, owing: str, impact: str) -> None:
    for side in ("client", "server"):
        seen = view([*TO_RCPT, *events], side, 0)
        assert (seen.stage, seen.owing, seen.impact(seen)) == (stage, owing, impact)


@pytest.mark.parametrize(
    ("means", "action", "at_server"),
    [
        ("forgets", "forgets", ("rst", "data")),
        ("own firewall", "rejects", ("rst", "data")),
        ("power failure", "loses power", ("open", "rcpt")),
    ],
)
def test_what_reaches_a_deaf_host_stands_in_its_file(means: str, action: str, at_server: tuple[str, str]) -> None:
    actor = "firewall" if action == "rejects" else "server"
    said: Event = {"actor": "client", "action": "says", "session": 0, "lines": ["DATA"]}
    events = [*TO_RCPT, {"actor": actor, "action": action, "session": 0}, said]
    how = "timeout" if means == "power failure" else "rst"
    deed = completed(Deed.declared("server", how, means, "data"), events, 0)
    assert deed.owing == "server"
    told = accepted(deed, events, 0, "server", SHOTS["server"])
    assert (told.how, told.stage) == ((at_server[0],), (at_server[1],))
    assert accepted(deed, events, 0, "middle", SHOTS["middle"]).stage == ("data",)
