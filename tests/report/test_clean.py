"""Text from the wire: what reaches a reader is harmless, and can be turned back into the octets."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapdiag.model import Address, Duration, Mailbox, Wire
from pcapdiag.report.clean import duration_text, frame_text, plain, safe_text, short_name, wire_line, wire_text
from tests.factories import at

HARMFUL = {"Cc", "Cf", "Zl", "Zp", "Cs"}


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"2.0.0 Ok: queued as 4XyZ", "2.0.0 Ok: queued as 4XyZ"),
        (b"", ""),
        ("Grüße, 東京 \U0001f4e7".encode(), "Grüße, 東京 \U0001f4e7"),
        (b"C:\\mail", "C:\\\\mail"),
        (b"\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"),
        (b"a\x00b\tc\r", "a\\x00b\\x09c\\x0d"),
        (b"\x7f", "\\x7f"),
        (b"caf\xe9", "caf\\xe9"),
        (b"\xc2\x85", "\\u0085"),  # the character NEL
        (b"\x85", "\\x85"),  # the octet alone is no UTF-8
        ("a\u202egnp.exe".encode(), "a\\u202egnp.exe"),
        ("zero\u200bwidth\ufeff\u00ad".encode(), "zero\\u200bwidth\\ufeff\\u00ad"),
        ("\u2028\u2029".encode(), "\\u2028\\u2029"),
        ("\U000e0041".encode(), "\\U000e0041"),  # a tag character
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),  # a surrogate in UTF-8 is not UTF-8
        (b"\xc0\xaf", "\\xc0\\xaf"),  # overlong
        (b"\xe2\x82", "\\xe2\\x82"),  # cut in the middle
        ("\u00a0\u3000".encode(), "\u00a0\u3000"),  # spaces (Zs) are none of the harmful categories
    ],
)
def test_table(octets: bytes, text: str) -> None:
    assert wire_text(octets) == wire_line(octets) == text


def test_line_feeds_stay_between_lines_only() -> None:
    assert wire_text(b"first\nsecond\r") == "first\nsecond\\x0d"
    assert wire_line(b"first\nsecond") == "first\\x0asecond"


ESCAPE = re.compile(rb"\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


def decoded(text: str) -> bytes:
    """The octets that `wire_text` made this of."""

    def octets(match: re.Match[bytes]) -> bytes:
        octet, short, long = match.groups()
        if octet:
            return bytes.fromhex(octet.decode())
        character = short or long
        return chr(int(character, 16)).encode() if character else b"\\"

    return ESCAPE.sub(octets, text.encode())


TEXT_LIKE = st.text(st.characters(codec="utf-8")).map(str.encode)
NASTY = st.lists(
    st.sampled_from([b"\\", b"x1b", b"u0085", b"\x85", b"\xc2\x85", b"\x1b", b"\n", b"a", b"\xff", b"\xe2\x80\xae"])
)


@given(st.one_of(st.binary(), TEXT_LIKE, NASTY.map(b"".join)))
def test_nothing_harmful_gets_through_and_nothing_is_lost(octets: bytes) -> None:
    for text in (wire_text(octets), wire_line(octets)):
        assert not {unicodedata.category(char) for char in set(text) - {"\n"}} & HARMFUL
        assert decoded(text) == octets
        text.encode()  # can be written: no lone surrogates
    assert "\n" not in wire_line(octets)


@given(st.text())
def test_safe_text_is_harmless_too_and_leaves_backslashes(text: str) -> None:
    safe = safe_text(text)
    assert not {unicodedata.category(char) for char in safe} & HARMFUL
    assert safe_text("C:\\traces\\a.pcap") == "C:\\traces\\a.pcap"


@pytest.mark.parametrize("unit", [b"\x1b", b"\xff", b"\xe2\x80\xae", b"\\", "é".encode()])
def test_64_kib_of_anything_takes_no_time(unit: bytes) -> None:
    octets = unit * (65536 // len(unit))
    began = time.process_time()
    text = wire_text(octets)
    assert time.process_time() - began < 1
    assert decoded(text) == octets


class TestPlain:
    def test_every_kind_of_part(self) -> None:
        says = (
            "after ",
            Duration(600_000_000_000),
            " ",
            Address("2001:db8::25"),
            " said ",
            Wire(b"421 4.4.2\x1b[2J\nsee \\\\mx"),
            " to ",
            Mailbox(b"bob\r\n@example.net"),
            " in ",
            at(38),
        )
        assert plain(says) == (
            "after 600 s 2001:db8::25 said 421 4.4.2\\x1b[2J see \\\\\\\\mx to bob\\x0d\\x0a@example.net in frame 38"
        )

    def test_our_own_words_are_made_harmless_as_well(self) -> None:
        assert plain(("a\x1bb",)) == "a\\x1bb"

    def test_frames_name_their_file_where_there_are_several(self) -> None:
        assert frame_text(at(38, capture=1), ["x/a.pcap", "C:\\x\\b.pcap"]) == "frame 38 of b.pcap"
        assert frame_text(at(38), ["x/a.pcap"]) == frame_text(at(38)) == "frame 38"
        assert plain((at(1),), ["a\n.pcap", "b"]) == "frame 1 of a\\x0a.pcap"
        assert short_name("-") == "-"
        assert short_name("traces/") == "traces/"


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ms"),
        (400_000, "0.4 ms"),
        (9_999_999, "10 ms"),
        (35_400_000, "35 ms"),
        (999_700_000, "1 s"),
        (1_234_000_000, "1.2 s"),
        (60_000_000_000, "60 s"),
        (300_120_000_000, "300 s"),
        (600_000_000_000, "600 s"),
        (7_440_000_000_000, "2 h 4 min"),
        (90_000_000_000_000, "1 d 1 h"),
        (86_400_000_000_000, "1 d"),
        (-1_500_000_000, "-1.5 s"),
    ],
)
def test_durations(ns: int, text: str) -> None:
    assert duration_text(ns) == text
