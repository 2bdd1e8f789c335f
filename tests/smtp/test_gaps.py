"""After a hole in the octets the stage is what can still be proved."""

from __future__ import annotations

from typing import Any

import pytest

from pcapdiag.smtp.dialogue import DOT, Body, Command, Missing, Reply
from pcapdiag.tcp.connection import GapReason
from tests.smtp.scripts import BODY, ENVELOPE, HELLO
from tests.smtp.talk import C, Gap, S, Script, script, standing, talk

CUT = GapReason.SNAPLEN

ENDS: dict[str, tuple[Script, str]] = {
    "the greeting missing": ([Gap(S, 30), *script("C: EHLO x\nS: 250 mx")], "ehlo/client"),
    "the reply to EHLO missing": (
        [*script("S: 220 mx\nC: EHLO x"), Gap(S, 50), (C, b"MAIL FROM:<a@b>\r\n")],
        "mail/server",
    ),
    "the reply to the dot missing": ([*script(BODY + "C: x\nC: ."), Gap(S, 20)], "end-of-data/client"),
    "replies of a pipeline missing": (
        [*script(HELLO + "C: MAIL FROM:<a@b>\nC: RCPT TO:<c@d>\nC: DATA"), Gap(S, 28), (S, b"354 go\r\n")],
        "body/client",
    ),
    "354 missing, content follows": (
        [*script(ENVELOPE + "C: DATA"), Gap(S, 8), (C, b"Subject: x\r\n\r\nhello\r\n.\r\n")],
        "end-of-data/server",
    ),
    "refusal of DATA missing": ([*script(ENVELOPE + "C: DATA"), Gap(S, 8), (C, b"RSET\r\n")], "other/server"),
    "holes at the beginning and in the middle of message text": (
        [
            Gap(C, 2896),
            (C, b"the rest of a line\r\none line\r\nand another\r\nand a third\r\n"),
            Gap(C, 1024),
            (C, b"\r\n.\r\n"),
            *script("S: 250 2.0.0 ok\nC: QUIT\nS: 221 bye"),
        ],
        "quit/-",
    ),
    "the capture begins with the last line of a message": (
        script("C: the last line\nC: .\nS: 250 2.0.0 ok\nC: QUIT\nS: 221 bye"),
        "quit/-",
    ),
    "the capture begins with the last lines of a message": (
        script("C: one line\nC: and the last\nC: .\nS: 250 2.0.0 ok\nC: QUIT\nS: 221 bye"),
        "quit/-",
    ),
    "the capture begins with text that begins like a command": (
        script("C: mail\nC: servers and envelopes\nC: one line more\nC: and a fourth"),
        "body/client",
    ),
    "the capture begins with a command that is not by the book": (
        script("C: EHLO two words\nS: 250 mx\nC: MAIL FROM:<a@b>"),
        "mail/server",
    ),
    "the capture begins with EHLO, whose reply never ends": (
        [(C, b"EHLO x\r\n"), (S, b"250-mx\r\n250-PIPEL")],
        "ehlo/server",
    ),
    "EHLO in a hole, answered by one line": (
        [*script("S: 220 mx"), Gap(C, 8), (S, b"250 mx\r\n")],
        "ehlo/client",
    ),
    "a hole in the body": ([*script(BODY + "C: x"), Gap(C, 1448), (C, b"more\r\n")], "body/client"),
    "the dot in a hole, accepted": (
        [*script(BODY + "C: x"), Gap(C, 1448), (S, b"250 2.0.0 ok\r\n")],
        "end-of-data/client",
    ),
    "the dot in a hole, QUIT behind it": (
        [*script(BODY + "C: x"), Gap(C, 1448), (C, b"QUIT\r\n"), (S, b"250 2.0.0 ok\r\n")],
        "quit/server",
    ),
    "DATA in a hole": ([*script(ENVELOPE), Gap(C, 6), (S, b"354 go\r\n")], "body/client"),
    "a command in a hole, unanswered": ([*script(ENVELOPE), Gap(C, 6)], "rcpt/server"),
    "a chunk over a hole": ([*script(ENVELOPE), (C, b"BDAT 100 LAST\r\nab"), Gap(C, 98)], "end-of-data/server"),
    "a hole behind a chunk": (
        [*script(ENVELOPE), (C, b"BDAT 100\r\nab"), Gap(C, 98 + 6), (S, b"250 ok\r\n")],
        "body/client",
    ),
    "a command cut by the snap length": ([*script(HELLO), (C, b"MAIL FROM:<a@b"), Gap(C, 20, CUT)], "mail/server"),
    "commands cut to nothing, their replies whole": (
        [
            *script("S: 220 mx"),
            Gap(C, 23, CUT),
            *script("S: 250-mx\nS: 250 SIZE"),
            Gap(C, 30, CUT),
            *script("S: 250 2.1.0 ok"),
            Gap(C, 31, CUT),
            *script("S: 250 2.1.5 ok"),
        ],
        "rcpt/client",
    ),
    "the rest of a pipeline cut": (
        [*script(HELLO + "C: MAIL FROM:<a@b>"), Gap(C, 33, CUT), *script("S: 250 2.1.0 ok\nS: 250 2.1.5 ok")],
        "rcpt/client",
    ),
    "354 cut by the snap length": ([*script(ENVELOPE + "C: DATA"), (S, b"354 End da"), Gap(S, 20, CUT)], "body/client"),
    "EHLO's reply cut by the snap length": (
        [*script("S: 220 mx\nC: EHLO x"), (S, b"250-mx\r\n250-PIPE"), Gap(S, 40, CUT)],
        "ehlo/client",
    ),
    "a body cut by the snap length": (
        [*script(BODY), (C, b"Subject"), Gap(C, 1400, CUT), (C, b"more text"), Gap(C, 1400, CUT)],
        "body/client",
    ),
    "a body cut by the snap length, the dot in a segment of its own": (
        [*script(BODY), (C, b"Subject"), Gap(C, 1400, CUT), (C, b".\r\n")],
        "end-of-data/server",
    ),
    "a body cut by the snap length, and a segment that begins with the dot and QUIT": (
        [*script(BODY), (C, b"Subject"), Gap(C, 1400, CUT), (C, b".\r\nQUIT\r\n")],
        "end-of-data/server",
    ),
    "a body cut by the snap length, CRLF.CRLF in a segment of its own": (
        [*script(BODY), (C, b"Subject"), Gap(C, 1400, CUT), (C, b"\r\n.\r\n")],
        "end-of-data/server",
    ),
}


# Only headers were captured: EHLO, MAIL, RCPT, DATA, a message, its dot, QUIT, each with its reply.
UNSEEN: list[Any] = [
    S,
    30,
    C,
    16,
    S,
    80,
    C,
    30,
    S,
    14,
    C,
    25,
    S,
    14,
    C,
    6,
    S,
    37,
    C,
    1448,
    C,
    700,
    C,
    3,
    S,
    30,
    C,
    6,
    S,
    15,
]


@pytest.mark.parametrize(
    ("steps", "ends"), [(10, "body/client"), (11, "body/client"), (12, "end-of-data/server"), (14, "quit/server")]
)
def test_lengths_tell_when_only_headers_were_captured(steps: int, ends: str) -> None:
    pairs = list(zip(UNSEEN[::2], UNSEEN[1::2], strict=True))[:steps]
    dialogue = talk([Gap(side, length, CUT) for side, length in pairs])
    assert standing(dialogue) == ends
    assert all(e.cut for e in dialogue.entries if isinstance(e, Command))


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("sizes", [[], [1]])
def test_ends_at(name: str, sizes: list[int]) -> None:
    steps, ends = ENDS[name]
    assert standing(talk(steps, sizes)) == ends


@pytest.mark.parametrize(
    ("steps", "ends"), [(6, "rcpt/server"), (10, "body/client"), (12, "end-of-data/server"), (14, "quit/server")]
)
@pytest.mark.parametrize("seen", [1, 2, 3])
def test_few_octets_of_each_segment_tell_with_their_lengths(seen: int, steps: int, ends: str) -> None:
    begun = [b"220", b"EHLO", b"250", b"MAIL", b"250", b"RCPT", b"250", b"DATA", b"354", b"From", b"text", b".\r\n"]
    cut: list[Any] = []
    for octets, side, length in zip([*begun, b"250", b"QUIT"], UNSEEN[::2], UNSEEN[1::2], strict=False):
        cut += [(side, octets[:seen]), Gap(side, length - seen, CUT)]
    assert standing(talk(cut[: 2 * steps])) == ends


@pytest.mark.parametrize("seen", [0, 1, 2, 3])
@pytest.mark.parametrize(("code", "ends"), [(b"250", "quit/server"), (b"554", "quit/server")])
def test_a_cut_reply_ends_a_message_whose_end_was_cut(seen: int, code: bytes, ends: str) -> None:
    """Message and dot in one segment, which most clients send: that the server spoke, and QUIT follows, tells."""
    steps: list[Any] = [*script(BODY), (C, b"From"), Gap(C, 800, CUT)]
    for side, octets, length in ((S, code, 40), (C, b"QUIT", 6)):
        steps += [(side, octets[:seen]), Gap(side, length - seen, CUT)]
    dialogue = talk(steps)
    assert standing(dialogue) == ends
    assert dialogue.transactions[0].complete


def test_a_server_that_breaks_off_in_a_cut_message_has_not_received_its_end() -> None:
    steps = [*script(BODY), (C, b"From"), Gap(C, 800, CUT), (S, b"42"), Gap(S, 40, CUT)]
    assert standing(talk(steps)) == "body/client"


def test_a_full_stop_at_the_head_of_a_cut_segment_is_no_terminator() -> None:
    """What stands behind it in the same segment tells: text, not a command."""
    rest = [Gap(C, 1400, CUT), (C, b".\r\nThe quick brown fox"), Gap(C, 1400, CUT)]
    assert standing(talk([*script(BODY), (C, b"Subject"), *rest])) == "body/client"


def test_octets_in_a_hole_count_as_content() -> None:
    dialogue = talk([*script(BODY), (C, b"ab"), Gap(C, 100), (C, b"cd\r\n.\r\n")])
    body = next(e for e in dialogue.entries if isinstance(e, Body))
    assert (body.octets, body.missing, body.complete) == (106, 100, True)
    assert dialogue.transactions[0].octets == 106
    assert [e.octets for e in dialogue.entries if isinstance(e, Missing)] == [100]


def test_terminator_in_a_hole_is_marked_as_cut() -> None:
    dialogue = talk([*script(BODY), (C, b"ab"), Gap(C, 100), (S, b"250 2.0.0 Ok: queued as 4ABCDEF\r\n")])
    dot = next(e for e in dialogue.entries if isinstance(e, Command) and e.verb == DOT)
    assert dot.cut
    assert dialogue.transactions[0].queue_id == b"4ABCDEF"


def test_commands_in_a_hole_make_no_reply_unasked() -> None:
    dialogue = talk([*script(ENVELOPE), Gap(C, 50), (S, b"250 2.1.5 ok\r\n250 2.1.5 ok\r\n")])
    assert not any(e.unasked for e in dialogue.entries if isinstance(e, Reply))
    assert not dialogue.oddities


def test_lines_are_found_again_behind_a_hole() -> None:
    dialogue = talk([*script(HELLO), Gap(C, 50), (C, b"of a line\r\nRCPT TO:<c@d>\r\n")])
    assert [e.verb for e in dialogue.entries if isinstance(e, Command)] == [b"EHLO", b"RCPT"]
