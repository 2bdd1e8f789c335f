"""The builder of scenes: what it writes is TCP, seen by a dissector that is not ours, and what it refuses."""

from __future__ import annotations

import io

import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.packet import Raw
from scapy.utils import PcapReader

from .ladder import LadderError, build, parse
from .ladder.content import message, named

SETTING = "A story.\n\nclient 192.0.2.10\nserver 198.51.100.25 ttl 52\ncaptured at the {}, round trip 24 ms\n\n"


def frames(ladder: str, at: str = "client") -> list[IP]:
    return [frame[IP] for frame in PcapReader(io.BytesIO(build(SETTING.format(at) + ladder)))]


def flags(packets: list[IP]) -> list[str]:
    return [str(packet[TCP].flags) for packet in packets]


def test_open_is_a_handshake() -> None:
    syn, synack, ack = frames("0 open\n")
    assert flags([syn, synack, ack]) == ["S", "SA", "A"]
    assert synack[TCP].ack == syn[TCP].seq + 1
    assert (ack[TCP].seq, ack[TCP].ack) == (syn[TCP].seq + 1, synack[TCP].seq + 1)
    assert (syn.ttl, synack.ttl, synack.id) == (64, 52, 0)


@pytest.mark.parametrize(("at", "leg"), [("client", "first"), ("server", "second")])
def test_the_capture_point_decides_which_leg_takes_the_time(at: str, leg: str) -> None:
    syn, synack, ack = PcapReader(io.BytesIO(build(SETTING.format(at) + "0 open\n")))
    legs = {"first": synack.time - syn.time, "second": ack.time - synack.time}
    assert legs.pop(leg) > 0.023
    assert next(iter(legs.values())) < 0.001


def test_checksums_are_right() -> None:
    for packet in frames("0 open\n+.1 <-- 220 hello\n+.1 --> {message 4000}\n+.1 <-- [RST, ACK]\n"):
        told = packet.chksum, packet[TCP].chksum
        del packet.chksum, packet[TCP].chksum
        again = IP(bytes(packet))
        assert told == (again.chksum, again[TCP].chksum)


def test_a_message_is_cut_into_segments_of_the_negotiated_size() -> None:
    sent = [p for p in frames("0 open\n+.1 --> {message 4000}\n") if Raw in p and p.src == "192.0.2.10"]
    assert [len(p[Raw].load) for p in sent] == [1448, 1448, 1104]
    assert b"".join(p[Raw].load for p in sent) == message(4000)


def test_a_late_answer_acknowledges_only_what_had_arrived() -> None:
    """The server's line leaves before the client's QUIT can have reached it: they cross."""
    *_, quit_, bye = [p for p in frames("0 open\n+.1 --> QUIT\n+.01 <-- 421 bye\n") if Raw in p]
    assert bye[TCP].ack == quit_[TCP].seq


def test_an_abort_and_an_answer_without_a_socket_have_their_own_shapes() -> None:
    abort = frames("0 open\n+.1 <-- [RST, ACK]\n")[-1]
    assert (str(abort[TCP].flags), abort[TCP].window > 0, bool(abort[TCP].options)) == ("RA", True, True)
    told, answer = frames("0 open\n+1 server loses its state\n+1 --> EHLO x\n")[-2:]
    assert (str(answer[TCP].flags), answer[TCP].window, answer.id, answer[TCP].options) == ("R", 0, 0, [])
    assert answer[TCP].seq == told[TCP].ack


def test_a_hole_is_reported_with_sack_and_filled_again() -> None:
    ladder = "0 open\n+.1 --x {more 500}\n+.1 --> {more 600}\n+.3 --> [again]\n"
    lost, later, report, again, filled = frames(ladder)[3:]
    assert dict(report[TCP].options)["SAck"] == (later[TCP].seq, later[TCP].seq + 600)
    assert (again[TCP].seq, report[TCP].ack) == (lost[TCP].seq, lost[TCP].seq)
    assert filled[TCP].ack == later[TCP].seq + 600


def test_a_refused_reset_draws_a_challenge_ack_and_ends_nothing() -> None:
    forged, challenge, line = frames("0 open\n+.1 <-- [forged, RST, ttl 61, seq +5000]\n+.1 <-- 220 hello\n")[3:6]
    assert (forged.ttl, str(challenge[TCP].flags), challenge.src) == (61, "A", "192.0.2.10")
    assert line[TCP].seq == challenge[TCP].ack == forged[TCP].seq - 5000


def test_dots_are_not_in_the_file() -> None:
    assert len(frames("0 open\n+.1 ..> EHLO x\n")) == 3 + 1  # the acknowledgement is
    assert len(frames("0 open\n+.1 ..x EHLO x\n")) == 3


def test_icmp_quotes_the_last_packet() -> None:
    syn, error = frames("0 --x [SYN]\n+.01 <-- [ICMP 3/13, from 203.0.113.9]\n")
    assert (error.src, error[ICMP].type, error[ICMP].code) == ("203.0.113.9", 3, 13)
    assert bytes(error[ICMP].payload)[20:28] == bytes(syn[TCP])[:8]


@pytest.mark.parametrize("octets", [260, 261, 262, 263, 1000, 4096])
def test_a_message_has_exactly_the_length_asked_for(octets: int) -> None:
    text = message(octets)
    assert len(text) == octets
    assert text.endswith(b"\r\n")
    assert b"\n." not in text


@pytest.mark.parametrize(
    "ladder",
    [
        "0 --> [SIN]",
        "0 --> {pigeon 3}",
        "0 ==> EHLO x",
        "connection from port 1 of nobody",
        "0 open\n+1 --> [again]",
        "",
    ],
)
def test_what_cannot_be_understood_is_an_error(ladder: str) -> None:
    with pytest.raises(LadderError):
        build(SETTING.format("client") + ladder)


def test_an_error_names_the_line() -> None:
    with pytest.raises(LadderError, match="line 7"):
        parse(SETTING.format("client") + "0 --> [SIN]\n")


def test_tls_records_carry_their_length() -> None:
    record = named("tls application 160")
    assert (record[0], int.from_bytes(record[3:5], "big"), len(record)) == (23, 160, 165)
