"""What is accepted for each file: the table, and the views of the dialogue on which it stands."""

from typing import Any

import pytest

from .capture import PLACES, Place, Shot
from .deed import MEANS, Deed, completed
from .dialogue import view
from .journal import Event, Journal
from .network import LabError
from .scenario import SHOTS, load
from .truth import ROWS, accepted

CONNECTED: list[Event] = [
    {"actor": "client", "action": "connects", "session": 0, "outcome": "connected", "port": 25},
    {"actor": "server", "action": "accepts", "session": 0, "port": 25},
]


def exchange(command: str | None, reply: str | None) -> list[Event]:
    events: list[Event] = []
    if command:
        events.append({"actor": "client", "action": "says", "session": 0, "lines": [command]})
        events.append({"actor": "server", "action": "hears", "session": 0, "line": command})
    if reply:
        events.append({"actor": "server", "action": "says", "session": 0, "lines": [reply]})
        events.append({"actor": "client", "action": "hears", "session": 0, "line": reply})
    return events


GREETED = [*CONNECTED, *exchange(None, "220 ready")]
TO_RCPT = [
    *GREETED,
    *exchange("EHLO a", "250 hello"),
    *exchange("MAIL FROM:<a>", "250 ok"),
    *exchange("RCPT TO:<b>", "250 ok"),
]
TO_BODY = [*TO_RCPT, *exchange("DATA", "354 go")]


def say(deed: Deed, events: list[Event], place: Place, shot: Shot | None = None) -> tuple[tuple[str, ...], ...]:
    told = accepted(completed(deed, events, 0), events, 0, place, shot or SHOTS[place])
    return told.dropped_by, told.how, told.stage, told.impact


@pytest.mark.parametrize(
    ("events", "stage", "owing"),
    [
        ([], "connect", None),
        (CONNECTED, "greeting", "server"),
        (GREETED, "greeting", "client"),
        ([*GREETED, *exchange("EHLO a", None)], "ehlo", "server"),
        (TO_RCPT, "rcpt", "client"),
        (TO_BODY, "body", "client"),
        ([*TO_BODY, *exchange(".", None)], "end-of-data", "server"),
        ([*TO_BODY, *exchange(".", None), *exchange("QUIT", None)], "end-of-data", "server"),
        ([*TO_BODY, *exchange(".", "250 ok"), *exchange("QUIT", None)], "quit", None),
        ([*CONNECTED, *exchange("EHLO a", "554 too early")], "greeting", "server"),
        ([*CONNECTED, *exchange("EHLO a", "220 ready")], "ehlo", "server"),
        ([*GREETED, *exchange("AUTH LOGIN", "334 VXNlcm5hbWU6")], "auth", "client"),
        ([*GREETED, *exchange("AUTH LOGIN", "334 VXNlcm5hbWU6"), *exchange("YW5uYQ==", None)], "auth", "server"),
    ],
)
def test_stage_and_turn(events: list[Event], stage: str, owing: str | None) -> None:
    for side in ("client", "server"):
        seen = view(events, side, 0)
        assert (seen.stage, seen.owing) == (stage, owing)


@pytest.mark.parametrize(
    ("events", "impact"),
    [
        (GREETED, "delayed"),
        (TO_BODY, "delayed"),
        ([*TO_BODY, *exchange(".", None)], "duplicate-risk"),
        ([*TO_BODY, *exchange(".", "250 ok")], "none"),
        ([*TO_BODY, *exchange(".", "554 no")], "rejected"),
        ([*TO_BODY, *exchange(".", "451 later")], "delayed"),
        ([*CONNECTED, *exchange(None, "554 go away")], "rejected"),
        ([*CONNECTED, *exchange(None, "450 not now"), *exchange("QUIT", "221 bye")], "delayed"),
        (
            [
                *GREETED,
                *exchange("MAIL FROM:<a>", "250 ok"),
                *exchange("RCPT TO:<b>", "451 later"),
                *exchange("DATA", "503 no"),
            ],
            "delayed",
        ),
        ([*GREETED, *exchange("QUIT", "221 bye")], "none"),
        ([*GREETED, *exchange("AUTH PLAIN x", "535 no"), *exchange("QUIT", "221 bye")], "rejected"),
        ([*GREETED, *exchange("STARTTLS", "454 later"), *exchange("QUIT", "221 bye")], "delayed"),
        ([*GREETED, *exchange("GET / HTTP/1.1", "221 bye")], "none"),
        ([*TO_BODY, *exchange(".", "250 ok"), *exchange("MAIL FROM:<a>", None)], "delayed"),
        ([*TO_BODY, *exchange(".", "250 ok"), *exchange("RSET", "250 ok")], "none"),
    ],
)
def test_impact(events: list[Event], impact: str) -> None:
    seen = view(events, "client", 0)
    assert seen.impact(seen) == impact


def test_lmtp_answers_the_dot_for_each_recipient() -> None:
    two = [*GREETED, *exchange("LHLO a", "250 hello"), *exchange("MAIL FROM:<a>", "250 ok")]
    two += [
        *exchange("RCPT TO:<b>", "250 ok"),
        *exchange("RCPT TO:<c>", "250 ok"),
        *exchange("DATA", "354 go"),
        *exchange(".", "250 b"),
    ]
    assert view(two, "client", 0).owing == "server"
    assert view([*two, *exchange(None, "250 c")], "client", 0).owing == "client"


def test_a_host_that_ends_is_named_everywhere() -> None:
    events = [*TO_BODY, {"actor": "server", "action": "aborts", "session": 0, "way": "rst"}]
    for place in PLACES:
        assert say(Deed.declared("server", "rst", "abort", "body"), events, place) == (
            ("server",),
            ("rst",),
            ("body",),
            ("delayed",),
        )


FORGED: dict[str, Any] = {"actor": "forger", "action": "forges reset", "flags": 20, "aim": "exact"}


@pytest.mark.parametrize(
    ("copied", "at_client", "at_server"),
    [(False, ("middlebox",), ("nobody",)), (True, ("server", "middlebox"), ("nobody",))],
)
def test_a_reset_forged_to_the_client(copied: bool, at_client: tuple[str, ...], at_server: tuple[str, ...]) -> None:
    events = [*TO_RCPT, FORGED | {"toward": "client", "copied_ttl": copied, "clock": "none"}]
    deed = Deed.declared("middlebox", "rst", "forged reset", "rcpt")
    assert say(deed, events, "client")[0] == at_client
    assert say(deed, events, "middle")[0] == at_client
    assert say(deed, events, "server")[0] == at_server


def test_a_reset_forged_to_the_server_shows_elsewhere_as_one_of_its_kernel() -> None:
    events = [
        *TO_RCPT,
        FORGED | {"toward": "server", "copied_ttl": False, "clock": "none"},
        *exchange("DATA", None)[:1],
    ]
    deed = Deed.declared("middlebox", "rst", "forged reset", "data")
    assert say(deed, events, "server")[0] == ("middlebox",)
    assert say(deed, events, "client")[:3] == (("server", "middlebox"), ("rst",), ("data",))


def test_a_go_ahead_that_meets_no_socket_completes_no_step() -> None:
    forged = FORGED | {"toward": "client", "copied_ttl": True, "clock": "fresh"}
    events = [*TO_RCPT, *exchange("DATA", None), forged, *exchange(None, "354 go")[:1]]
    deed = Deed.declared("middlebox", "rst", "forged reset", "data")
    assert say(deed, events, "client")[2] == ("data",)
    assert say(deed, events, "server")[:3] == (("client", "middlebox"), ("rst",), ("body", "data"))


def test_a_fin_in_impatience_that_draws_a_bare_reset_leaves_more_open() -> None:
    events = [*TO_RCPT, *exchange("DATA", None), FORGED | {"toward": "server", "copied_ttl": False, "clock": "none"}]
    deed = Deed.declared("middlebox", "rst", "forged reset", "data", stalled_by="server", spoke_after=("client",))
    assert say(deed, events, "server")[0] == ("middlebox",)
    assert say(deed, events, "client")[:2] == (("client", "server", "middlebox"), ("fin", "rst"))


def test_silence_is_the_paths_or_the_others_and_nothing_at_the_side_that_said_nothing() -> None:
    events = [*TO_RCPT, {"actor": "far", "action": "dies", "toward": "both"}, *exchange("DATA", None)[:1]]
    deed = Deed.declared("path", "timeout", "silence", "data")
    assert say(deed, events, "client")[:3] == (("path", "server"), ("timeout",), ("data",))
    assert say(deed, events, "middle")[:3] == (("path", "server"), ("timeout",), ("data",))
    assert say(deed, events, "server")[:3] == (("nobody",), ("open",), ("rcpt",))


def test_a_capture_that_stopped_before_saw_nothing_end() -> None:
    stopped = {"actor": "lab", "action": "capture stops", "place": "client"}
    events = [*TO_RCPT, stopped, {"actor": "server", "action": "closes", "session": 0, "way": "fin"}]
    deed = Deed.declared("server", "fin", "close", "rcpt")
    assert say(deed, events, "client")[:2] == (("nobody",), ("open",))
    assert say(deed, events, "server")[:2] == (("server",), ("fin",))


def test_a_host_that_repeats_its_syn_ack_says_that_its_handshake_never_completed() -> None:
    lost: Event = {"actor": "far", "action": "dies", "toward": "server"}
    closes: Event = {"actor": "client", "action": "closes", "session": 0, "way": "fin"}
    deed = Deed.declared("path", "timeout", "silence", "greeting", spoke_after=("client", "server"))
    listens: Event = {"actor": "server", "action": "listens", "port": 25}
    events = [listens, lost, CONNECTED[0], closes]
    assert say(deed, events, "client")[2] == ("greeting", "connect")
    assert say(deed, events, "server")[2] == ("connect",)


def test_a_hole_that_is_only_reported_may_have_been_filled_later() -> None:
    hole: Event = {"actor": "far", "action": "dies", "toward": "server"}
    half: Event = {"actor": "client", "action": "sends", "session": 0, "what": "message", "octets": 900}
    deed = Deed.declared("path", "timeout", "black hole", "body")
    assert say(deed, [*TO_BODY, hole, half], "client")[:2] == (("path",), ("timeout",))
    assert say(deed, [*TO_BODY, hole, half], "server")[:2] == (("path", "nobody"), ("timeout", "open"))
    closed = [*TO_BODY, hole, half, {"actor": "client", "action": "half closes", "session": 0, "way": "fin"}]
    assert say(deed, closed, "client")[:2] == (("path",), ("timeout",))
    assert say(deed, closed, "server")[:2] == (("path", "client"), ("timeout", "fin"))


def test_what_became_of_the_mail_of_an_open_session_was_not_captured() -> None:
    still_open = Deed.declared("nobody", "open", "open", "rcpt")
    assert say(still_open, TO_RCPT, "client")[3] == ("delayed", "unknown")
    untried = Deed.declared("nobody", "open", "open", "greeting")
    assert say(untried, GREETED, "client")[3] == ("delayed", "none", "unknown")
    delivered = Deed.declared("nobody", "open", "open", "end-of-data")
    assert say(delivered, [*TO_BODY, *exchange(".", "250 ok")], "client")[3] == ("none",)


def test_what_a_file_lacks_makes_undetermined_an_answer() -> None:
    events = [*TO_RCPT, {"actor": "server", "action": "closes", "session": 0, "way": "fin"}]
    deed = completed(Deed.declared("server", "fin", "close", "rcpt"), events, 0)
    assert accepted(deed, events, 0, "client", Shot("eth0")).undetermined_ok is None
    assert accepted(deed, events, 0, "client", Shot("eth0", narrow="tcp dst port 25")).undetermined_ok


def test_where_only_replies_were_captured_they_tell_the_step_completed_last() -> None:
    events = [*TO_RCPT, *exchange("DATA", None), {"actor": "server", "action": "closes", "session": 0, "way": "fin"}]
    deed = Deed.declared("server", "fin", "close", "data")
    assert say(deed, events, "client", Shot("eth0", narrow="tcp src port 25"))[2] == ("data", "rcpt")
    assert say(deed, events, "client", Shot("eth0", narrow="tcp dst port 25"))[2] == ("data",)


def test_a_client_that_was_refused_before_its_mail_had_tried() -> None:
    refused = [*GREETED, *exchange("AUTH PLAIN x", "535 no")]
    closed: list[Event] = [*refused, {"actor": "client", "action": "closes", "session": 0, "way": "fin"}]
    assert say(Deed.declared("client", "fin", "close", "auth"), closed, "client")[3] == ("rejected", "delayed")
    quits = [*refused, *exchange("QUIT", "221 bye")]
    assert say(Deed.declared("nobody", "quit", "quit", "quit"), quits, "client")[3] == ("rejected",)


@pytest.mark.parametrize(
    ("before", "reply", "impact"),
    [
        ("250 ok", "250 flushed", ("delayed", "none")),
        ("250 ok", None, ("delayed",)),
        ("451 later", "250 flushed", ("delayed",)),
    ],
)
def test_a_client_may_take_its_mail_back(before: str, reply: str | None, impact: tuple[str, ...]) -> None:
    events = [*GREETED, *exchange("EHLO a", "250 hello"), *exchange("MAIL FROM:<a>", "250 ok")]
    events += [*exchange("RCPT TO:<b>", before), *exchange("RSET", reply)]
    events += [{"actor": "client", "action": "closes", "session": 0, "way": "fin"}]
    assert say(Deed.declared("client", "fin", "close", "other"), events, "client")[3] == impact


def test_an_unasked_refusal_that_was_heard_rejects_the_mail_where_it_is_seen() -> None:
    refusal: Event = {"actor": "client", "action": "hears", "session": 0, "line": "554 blocked"}
    events = [*TO_BODY, FORGED | {"toward": "client", "copied_ttl": False, "clock": "fresh"}, refusal]
    deed = Deed.declared("middlebox", "fin", "forged fin", "body", spoke_after=("client",))
    assert say(deed, events, "client")[3] == ("rejected",)
    assert say(deed, events, "server")[3] == ("delayed",)


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        (("server", "fin", "close", "mail"), "stage"),
        (("server", "rst", "close", "rcpt"), "left by fin"),
    ],
)
def test_journal_and_declared_deed_must_agree(deed: tuple[str, str, str, str], says: str) -> None:
    events = [*TO_RCPT, {"actor": "server", "action": "closes", "session": 0, "way": "fin"}]
    with pytest.raises(LabError, match=says):
        completed(Deed.declared(*deed), events, 0)


def test_unknown_means_are_refused() -> None:
    with pytest.raises(LabError, match="no means"):
        Deed.declared("server", "fin", "magic", "rcpt")


def test_every_means_has_a_row_at_every_place() -> None:
    for means in MEANS:
        for place in PLACES:
            for aimed_at in ("client", "server", "both"):
                deed = Deed("server", "fin", means, "rcpt", aimed_at=aimed_at)
                assert accepted(deed, [*TO_RCPT], 0, place, SHOTS[place]).dropped_by


def test_every_row_is_about_known_means_and_says_why() -> None:
    for row in ROWS:
        assert set(row.means) <= set(MEANS)
        assert row.why


def test_scenarios_are_found_by_directory() -> None:
    scenarios = load()
    assert "data_server_aborts" in scenarios
    assert len({scenario.description for scenario in scenarios.values()}) == len(scenarios)


def test_the_journal_keeps_the_order() -> None:
    journal = Journal()
    journal.write("client", "says", lines=["EHLO a"])
    journal.write("server", "hears", line="EHLO a")
    assert [event["actor"] for event in journal.events] == ["client", "server"]
    assert journal.events[0]["after_s"] <= journal.events[1]["after_s"]
