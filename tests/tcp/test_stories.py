"""What the tracker makes of conversations: each story is read by the fast path and by the walk alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pcapdiag.capture.table import IcmpError
from pcapdiag.model import Side
from pcapdiag.tcp.connection import Connection, Effect, Odd
from pcapdiag.tcp.tracker import Tracker
from tests.tcp.conversation import CLIENT, SERVER, START_NS, Frame, Talk, table, talk
from tests.tcp.listening import Listener, follow, only

OPEN = """
C SYN
S SYN
C ACK
"""
HELLO = (
    OPEN
    + """S data 220 mail.example
C data EHLO client.example
S data 250 mail.example
"""
)
GOODBYE = """C data QUIT
S data 221 Bye
S FIN
C FIN
S ACK
"""


@pytest.fixture(params=[True, False], ids=["fast", "walked"])
def fast(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def told(text: str, fast: bool = True, **settings: object) -> tuple[Connection, Listener]:
    return only(talk(text, **settings), fast=fast)


def odd_ones(connection: Connection) -> list[tuple[int, Odd]]:
    return [(segment.at.frame, segment.odd) for segment in connection.segments if segment.odd]


def test_an_orderly_connection(fast: bool) -> None:
    connection, heard = told(HELLO + GOODBYE, fast)
    assert connection.client.address == CLIENT
    assert connection.server.port == 25
    assert connection.sides_seen
    assert connection.closing.history == "ShAdDfFa"
    assert [(fin.side, fin.offset, fin.accepted) for fin in connection.closing.fins] == [
        (Side.SERVER, 45, True),
        (Side.CLIENT, 27, True),
    ]
    assert heard.streams[Side.SERVER] == b"220 mail.example\r\n250 mail.example\r\n221 Bye\r\n"
    assert heard.streams[Side.CLIENT] == b"EHLO client.example\r\nQUIT\r\n"
    assert odd_ones(connection) == []
    assert connection.handshake.rtt_ns == 20_000_000
    assert connection.half(Side.CLIENT).acked == connection.half(Side.CLIENT).octets == 27
    assert [segment.at.frame for segment in connection.segments] == list(range(1, 12))


@pytest.mark.parametrize(
    ("story", "frame", "odd"),
    [
        pytest.param("C data NOOP\n+0.3 resend 8\nS data 250 ok", 9, Odd.RETRANSMISSION, id="retransmission"),
        pytest.param("C data NOOP\nS ACK\nC ACK | seq=-1 aside", 10, Odd.KEEP_ALIVE, id="keep-alive"),
        pytest.param("C data NOOP | lost\nC data RSET", 8, Odd.AFTER_GAP, id="after a gap"),
        pytest.param("S ACK | win=0", 8, Odd.ZERO_WINDOW, id="zero window"),
        pytest.param("S ACK | win=0\nC octets 1", 9, Odd.ZERO_WINDOW_PROBE, id="zero-window probe"),
        pytest.param("C data NOOP\n+0.3 resend 8 | text=EVIL", 9, Odd.RETRANSMISSION | Odd.OVERLAP_CONFLICT, id="conflict"),
        pytest.param("C data NOOP | seq=+900000000", 8, Odd.REFUSED, id="far outside the window"),
        pytest.param("C FIN | ts=5", 8, Odd.REFUSED, id="a FIN with a stale timestamp"),
        pytest.param("C octets 10 | lost\nC octets 10\nS ACK | ack=-20\nS ACK | ack=-20", 10, Odd.DUPLICATE_ACK, id="duplicate ACK"),
    ],
)  # fmt: skip
def test_odd_segments(story: str, frame: int, odd: Odd, fast: bool) -> None:
    connection, _ = told(HELLO.strip() + "\nC ACK\n" + story, fast)
    assert dict(odd_ones(connection))[frame] == odd


def test_first_copy_wins(fast: bool) -> None:
    _, heard = told(OPEN.strip() + "\nS data 220 one\n+0.3 resend 4 | text=000", fast)
    assert heard.streams[Side.SERVER] == b"220 one\r\n"


def test_out_of_order_octets_are_handed_out_in_order(fast: bool) -> None:
    frames = talk(HELLO.strip() + "\nC data ONE\nC data TWO\nC data THREE\nS ACK")
    swapped = [*frames[:6], frames[8], frames[6], frames[7], frames[9]]
    connection, heard = only(swapped, fast=fast)
    assert heard.streams[Side.CLIENT].endswith(b"ONE\r\nTWO\r\nTHREE\r\n")
    assert connection.half(Side.CLIENT).missing == 0


def test_a_reply_waits_for_the_octets_that_it_acknowledges(fast: bool) -> None:
    frames = talk(HELLO.strip() + "\nC data NOOP\nS data 250 ok\nC data QUIT")
    swapped = [*frames[:6], frames[7], frames[6], frames[8]]
    _, heard = only(swapped, fast=fast)
    assert [octets for _, _, octets in heard.heard][-3:] == [b"NOOP\r\n", b"250 ok\r\n", b"QUIT\r\n"]


def test_octets_that_the_capture_missed(fast: bool) -> None:
    connection, heard = told(HELLO.strip() + "\nC data NOOP | lost\nS data 250 ok\nC data QUIT\nS data 221 Bye", fast)
    assert (Side.CLIENT, 21, "capture") in heard.heard
    assert connection.half(Side.CLIENT).missing == 6
    assert heard.heard.index((Side.CLIENT, 21, "capture")) < heard.heard.index((Side.SERVER, 36, b"250 ok\r\n"))


def test_octets_that_the_path_lost(fast: bool) -> None:
    connection, heard = told(HELLO.strip() + "\nC data NOOP | lost\nC data RSET\nS ACK | ack=-12", fast)
    assert heard.heard[-2:] == [(Side.CLIENT, 21, "path"), (Side.CLIENT, 27, b"RSET\r\n")]
    assert connection.half(Side.CLIENT).missing == 0


def test_octets_that_the_snap_length_cut(fast: bool) -> None:
    connection, heard = told(OPEN.strip() + "\nS data 220 a long greeting\nC data QUIT", fast, snap=8)
    assert heard.heard == [
        (Side.SERVER, 0, b"220 a lo"),
        (Side.SERVER, 8, "snaplen"),
        (Side.CLIENT, 0, b"QUIT\r\n"),
    ]
    assert connection.half(Side.SERVER).cut == 13


def test_one_direction_only(fast: bool) -> None:
    frames = [frame for frame in talk(HELLO + GOODBYE) if frame.src == CLIENT]
    connection, heard = only(frames, fast=fast)
    assert heard.streams[Side.CLIENT] == b"EHLO client.example\r\nQUIT\r\n"
    assert connection.half(Side.SERVER).packets == 0
    assert connection.half(Side.SERVER).acked >= 36
    assert heard.heard[0] == (Side.SERVER, 0, "capture")


def test_sequence_numbers_wrap(fast: bool) -> None:
    story = HELLO + "".join("C octets 1000\nC octets 500\nS ACK\n" for _ in range(8)) + GOODBYE
    plain, heard = told(story, fast)
    wrapped, again = told(story, fast, client_isn=0xFFFFF000, server_isn=0xFFFFFFF0)
    assert [segment.offset for segment in plain.segments] == [segment.offset for segment in wrapped.segments]
    assert len(again.streams[Side.CLIENT]) == len(heard.streams[Side.CLIENT]) == 21 + 12_000 + 6
    assert wrapped.half(Side.CLIENT).acked == 12_027


# --- Sides ----------------------------------------------------------------------------------------------------------


def test_a_capture_that_starts_midway_knows_the_mail_port(fast: bool) -> None:
    connection, heard = only(talk(HELLO + GOODBYE)[4:], fast=fast)
    assert not connection.sides_seen
    assert connection.server.port == 25
    assert heard.streams[Side.CLIENT].startswith(b"EHLO")
    assert connection.handshake.complete == connection.first


@pytest.mark.parametrize("begin", [3, 4])
def test_without_a_mail_port_the_words_tell(begin: int, fast: bool) -> None:
    frames = talk(HELLO + GOODBYE, client_port=1024, server_port=10025)[begin:]
    ((connection, _),) = follow([frames], ports=None, fast=fast)
    assert connection.server.port == 10025


def test_simultaneous_open(fast: bool) -> None:
    connection, heard = told("C SYN\nS SYN | ack==0 noack\nC SYN | aside\nS ACK\nC ACK\nS data 220 hi", fast)
    assert connection.handshake.simultaneous
    assert connection.client.address == CLIENT
    assert heard.streams[Side.SERVER] == b"220 hi\r\n"


# --- Copies ---------------------------------------------------------------------------------------------------------


def doubled(frames: list[Frame], **changes: int) -> list[Frame]:
    pairs = [(frame, replace(frame, time_ns=frame.time_ns + 300_000, **changes)) for frame in frames]
    return [replace(frame, number=at) for at, frame in enumerate((one for pair in pairs for one in pair), 1)]


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        pytest.param({}, {}, id="same IP ID"),
        pytest.param({}, {"ttl": 63}, id="behind a router"),
        pytest.param({"ids": False}, {"interface": 1}, id="no IP ID, other interface"),
        pytest.param({"client": "2001:db8::1", "server": "2001:db8::2"}, {"ttl": 56}, id="IPv6"),
    ],
)
def test_everything_captured_twice(settings: dict[str, object], changes: dict[str, int], fast: bool) -> None:
    frames = talk(HELLO + GOODBYE, **settings)
    connection, heard = only(doubled(frames, **changes), fast=fast)
    assert connection.duplicates
    assert connection.half(Side.CLIENT).copies + connection.half(Side.SERVER).copies == len(frames)
    assert odd_ones(connection) == []
    assert heard.streams[Side.CLIENT] == b"EHLO client.example\r\nQUIT\r\n"


@pytest.mark.parametrize("skew_ns", [-2_000_000_000, 40_000_000, 2_000_000_000])
def test_two_points_with_clocks_apart(skew_ns: int, fast: bool) -> None:
    frames = talk(HELLO + "+0.5 S RST", ids=False)
    elsewhere = [replace(frame, time_ns=frame.time_ns + skew_ns, ttl=frame.ttl - 9) for frame in frames]
    merged = sorted((*frames, *elsewhere), key=lambda frame: frame.time_ns)
    connection, heard = only([replace(frame, number=at) for at, frame in enumerate(merged, 1)], fast=fast)
    assert connection.duplicates
    assert odd_ones(connection) == []
    assert heard.streams[Side.CLIENT] == b"EHLO client.example\r\n"
    (reset,) = connection.closing.resets
    assert (reset.effect, reset.copies) == (Effect.ENDED, 1)
    assert abs(reset.clock_error_ms or 0.0) < 2


def test_a_quick_retransmission_is_no_copy(fast: bool) -> None:
    connection, _ = told(OPEN.strip() + "\nS data 220 hi\n+0.0004 resend 4", fast)
    assert connection.half(Side.SERVER).retransmissions == 1
    assert connection.half(Side.SERVER).copies == 0


def test_duplicate_acks_without_ip_id_are_no_copies(fast: bool) -> None:
    story = (
        HELLO.strip()
        + "\nC octets 9 | lost\n"
        + "+0.0001 C octets 9\n+0.0001 S ACK | ack=-18\n"
        + "+0.0001 S ACK | ack=-18\n" * 3
    )
    connection, _ = told(story, fast, client="2001:db8::1", server="2001:db8::2", timestamps=False)
    assert connection.half(Side.SERVER).copies == 0


# --- Ends -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("story", "effects"),
    [
        pytest.param("S RST", [Effect.ENDED], id="reset"),
        pytest.param("S RST\nS RST | aside noack win=0 ts=-1", [Effect.ENDED, Effect.ECHO], id="reset twice"),
        pytest.param("S RST\n+0.02 C RST | noack win=0 ts=-1", [Effect.ENDED, Effect.ECHO], id="reset by both"),
        pytest.param("C FIN\nS data 221 x\nC RST | aside noack win=0 ts=-1", [Effect.ECHO], id="data after the own FIN"),
        pytest.param("S FIN\nC RST", [Effect.ENDED], id="reset in answer to a FIN"),
        pytest.param("S RST | seq=+200 noack win=0 ts=-1 ttl=9\nC data NOOP\nS data 250 ok\nC data QUIT\nS data 221 x",
                     [Effect.REFUSED], id="not exact, outlived"),
        pytest.param("S RST | seq=+900000 noack win=0 ts=-1 ttl=9\n+1 C data NOOP\nS data 250 ok\nS RST",
                     [Effect.REFUSED, Effect.ENDED], id="refused, then a true one"),
        pytest.param("S RST | aside seq=+900000000 ttl=9", [Effect.REFUSED], id="far outside the window, and nothing after it"),
        pytest.param("S RST | aside seq=+200 ttl=9", [Effect.ENDED], id="in the window, and nothing tells"),
        pytest.param("S RST | aside seq=+200 ts=-1 ttl=9\n+1 S RST", [Effect.REFUSED, Effect.ENDED],
                     id="in the window, and its socket aborts later"),
        pytest.param("S RST | aside seq=+200 ts=-1 ttl=9\n+1 S RST | noack win=0 ts=-1", [Effect.ENDED, Effect.ECHO],
                     id="in the window, and a reset for a lost socket later"),
        pytest.param("S RST | aside ts=5\nS data 250 more\nS data 250 more\n+0.02 C RST | noack win=0 ts=-1",
                     [Effect.ENDED, Effect.ECHO], id="forged and obeyed"),
    ],
)  # fmt: skip
def test_effects_of_resets(story: str, effects: list[Effect], fast: bool) -> None:
    connection, _ = told(HELLO.strip() + "\nC ACK\n" + story, fast)
    assert [reset.effect for reset in connection.closing.resets] == effects


def test_a_refused_reset_leaves_the_octets_alone(fast: bool) -> None:
    connection, heard = told(HELLO.strip() + "\nS RST | seq=+200 noack win=0 ts=-1\nC data NOOP\nS data 250 ok", fast)
    assert heard.streams[Side.SERVER].endswith(b"250 ok\r\n")
    assert odd_ones(connection) == []
    (reset,) = connection.closing.resets
    assert reset.in_window
    assert not reset.exact
    assert reset.bare
    assert reset.ttl_before == ((57, 3),)


def test_what_a_reset_answers(fast: bool) -> None:
    connection, _ = told(HELLO.strip() + "\nC data NOOP\nS RST | ack==0 noack win=0 ts=-1", fast)
    (reset,) = connection.closing.resets
    assert reset.provoked_by is not None
    assert reset.provoked_by.frame == 7
    assert reset.exact


def test_refused_connection() -> None:
    connection, _ = told("C SYN\nS RST | seq==0 ack=+0 win=0 ts=-1 ttl=57")
    (reset,) = connection.closing.resets
    assert (reset.effect, reset.exact, reset.bare) == (Effect.ENDED, True, True)
    assert reset.provoked_by is not None
    assert reset.provoked_by.frame == 1
    assert connection.handshake.complete is None


def test_the_clock_of_a_reset(fast: bool) -> None:
    honest, _ = told(HELLO.strip() + "\n+3 S RST", fast)
    assert abs(honest.closing.resets[0].clock_error_ms or 0.0) < 2
    forged, _ = told(HELLO.strip() + "\n+3 S RST | ts=900020", fast)
    error = forged.closing.resets[0].clock_error_ms
    assert error is not None
    assert error < -2900


def test_a_forged_fin_that_nobody_believed(fast: bool) -> None:
    story = (
        HELLO.strip()
        + "\nS FIN | aside ts=5 ttl=253\nC ACK\nC data NOOP\nS data 250 ok\nC data QUIT\nS FIN\nC FIN\nS ACK"
    )
    connection, heard = told(story, fast)
    assert [(fin.ttl, fin.accepted) for fin in connection.closing.fins] == [(253, False), (57, True), (64, True)]
    assert heard.streams[Side.SERVER].endswith(b"250 ok\r\n")


def test_a_forged_fin_that_was_believed(fast: bool) -> None:
    story = HELLO.strip() + "\nS FIN | aside ttl=253\nC FIN | ack=+1\nS data 250 ok"
    connection, heard = told(story, fast)
    assert next((fin.side, fin.ttl, fin.accepted) for fin in connection.closing.fins) == (Side.SERVER, 253, True)
    assert odd_ones(connection)[-1][1] & Odd.REFUSED
    assert not heard.streams[Side.SERVER].endswith(b"250 ok\r\n")


def test_fin_before_data(fast: bool) -> None:
    frames = talk(HELLO.strip() + "\nS data 421 Bye\nS FIN\nC FIN")
    _, heard = only([*frames[:6], frames[7], frames[6], frames[8]], fast=fast)
    assert heard.streams[Side.SERVER].endswith(b"421 Bye\r\n")


# --- Lives ----------------------------------------------------------------------------------------------------------


def test_port_reuse(fast: bool) -> None:
    first = Talk().say(HELLO + GOODBYE)
    second = Talk(client_isn=77_000, server_isn=99, start_ns=first.now + 10_000_000).say(HELLO + "S RST")
    both = follow([first.frames + second.frames], fast=fast)
    assert [connection.reused for connection, _ in both] == [True, False]
    assert both[1][1].streams[Side.CLIENT] == b"EHLO client.example\r\n"
    assert [len(connection.closing.resets) for connection, _ in both] == [0, 1]


def test_a_repeated_syn_is_no_reuse() -> None:
    (ended,) = follow([talk("C SYN\n+1 resend 1\n+2 resend 1\nS SYN\nC ACK\nS data 220 x")])
    assert len(ended[0].handshake.syns) == 3
    assert ended[0].handshake.rtt_ns is None


def test_late_packets_are_absorbed() -> None:
    early = talk(HELLO + GOODBYE)
    late = Talk().say(HELLO + GOODBYE + "+60 S ACK\n+1 S ACK").frames[-2:]
    quiet = table([], until_ns=START_NS + 30_000_000_000)
    assert len(follow([early, quiet, late])) == 1
    assert len(follow([early + late])) == 1


def test_lingering_is_bounded() -> None:
    frames = [frame for port in range(50) for frame in talk(HELLO + "S RST", client_port=30_000 + port)]
    finished: list[int] = []
    tracker = Tracker(Listener, lambda connection, _: finished.append(connection.serial), ports=None, max_lingering=10)
    tracker.feed(table(frames))
    assert len(finished) == 40
    tracker.finish()
    assert sorted(finished) == list(range(1, 51))


def test_icmp_errors_find_their_connection() -> None:
    frames = talk("C SYN\n+1 resend 1")
    error = IcmpError(2, START_NS + 2_000_000_000, 0, 3, "10.0.0.1", 4, 3, 13, None, CLIENT, SERVER, 40000, 25, 1000)
    ((connection, _),) = follow([table(frames, icmp=(error,))])
    assert [(at.frame, quoted.sender) for at, quoted in connection.icmp] == [(3, "10.0.0.1")]


def test_ident_has_no_connection() -> None:
    assert follow([talk("C SYN\nS RST", server_port=113)], ports=frozenset({25})) == []
    assert follow([talk("C SYN\nS RST", server_port=113)], ports=None) == []


def test_super_packets_and_the_largest_acknowledged(fast: bool) -> None:
    connection, _ = told(
        HELLO.strip() + "\nC octets 4380\nC octets 1460\nS ACK\nC octets 1000\nC octets 999\nS ACK\nC octets 9000", fast
    )
    half = connection.half(Side.CLIENT)
    assert half.super_packets == 2
    assert half.largest_acked == 4380


def test_waiting_octets_have_a_budget(fast: bool) -> None:
    """A hole that is never filled does not keep everything behind it for ever."""
    story = HELLO.strip() + "\nC octets 10 | lost\n" + "C octets 1400\n" * 900
    connection, heard = told(story.strip(), fast)
    assert (Side.CLIENT, 21, "path") in heard.heard
    assert len(heard.streams[Side.CLIENT]) == connection.half(Side.CLIENT).octets == 21 + 10 + 900 * 1400


def test_no_round_trip_is_negative(fast: bool) -> None:
    """The capture's clock was set back between SYN and SYN+ACK."""
    frames = talk(HELLO + GOODBYE)
    back = [frames[0], *(replace(frame, time_ns=frame.time_ns - 3_000_000_000) for frame in frames[1:])]
    handshake = only(back, fast=fast)[0].handshake
    assert handshake.rtt_ns is None
    assert handshake.server_leg_ns is None
    assert handshake.client_leg_ns == 10_000_000
