"""Messages: envelope, size, replies, queue ids, and when one is given up."""

from __future__ import annotations

from pcapdiag.smtp.dialogue import DOT, Command
from tests.smtp.scripts import BODY, ENVELOPE, HELLO
from tests.smtp.talk import C, S, script, talk


def test_a_message() -> None:
    dialogue = talk(script(BODY + "C: Subject: x\nC:\nC: ..dot\nC: .\nS: 250 2.0.0 Ok: queued as 4ABCDEF"))
    (message,) = dialogue.transactions
    assert message.mail_from == b"a@client.example"
    assert message.declared_size == 100
    assert [(r.address, r.accepted) for r in message.recipients] == [(b"b@mx.example", True)]
    assert message.octets == len("Subject: x\r\n\r\n..dot\r\n")
    assert message.complete
    assert message.terminator is not None
    assert message.terminator.verb == DOT
    assert message.reply is not None
    assert message.queue_id == b"4ABCDEF"
    assert not message.reset
    assert dialogue.helo == b"client.example"
    assert dialogue.extensions == (b"PIPELINING", b"SIZE", b"AUTH", b"CHUNKING")
    assert dialogue.outstanding == ()
    assert dialogue.recognised


def test_recipients_keep_their_own_replies_when_pipelined() -> None:
    dialogue = talk(
        script(
            HELLO + "C: MAIL FROM:<>\nC: RCPT TO:<a@b>\nC: RCPT TO:<c@d>\nS: 250 ok\nS: 550 5.1.1 no\nS: 250 2.1.5 ok"
        )
    )
    (message,) = dialogue.transactions
    assert message.mail_from == b""
    assert [(r.address, r.accepted) for r in message.recipients] == [(b"a@b", False), (b"c@d", True)]


def test_lmtp_replies_for_each_recipient() -> None:
    head = "S: 220 mx LMTP\nC: LHLO x\nS: 250 mx\nC: MAIL FROM:<a@b>\nS: 250 ok\n"
    rcpts = "C: RCPT TO:<c@d>\nS: 250 ok\nC: RCPT TO:<e@f>\nS: 550 no\nC: RCPT TO:<g@h>\nS: 250 ok\n"
    dialogue = talk(script(head + rcpts + "C: DATA\nS: 354 go\nC: x\nC: .\nS: 250 2.0.0 saved\nS: 452 4.2.2 full"))
    (message,) = dialogue.transactions
    assert dialogue.lmtp
    assert [r.final and r.final.code for r in message.recipients] == [250, None, 452]
    assert message.reply is not None
    assert message.reply.code == 452
    assert dialogue.outstanding == ()


def test_reset_gives_a_message_up() -> None:
    assert talk(script(ENVELOPE + "C: RSET\nS: 250 ok")).transactions[0].reset
    assert talk(script(ENVELOPE + "C: EHLO again\nS: 250 mx")).transactions[0].reset
    assert not talk(script(ENVELOPE + "C: EHLO again\nS: 503 no")).transactions[0].reset


def test_a_refused_mail_leaves_the_open_message_open() -> None:
    dialogue = talk(script(ENVELOPE + "C: MAIL FROM:<c@d>\nS: 503 nested\nC: DATA\nS: 354 go\nC: x\nC: .\nS: 250 ok"))
    assert [m.complete for m in dialogue.transactions] == [True, False]


def test_chunks_add_up() -> None:
    dialogue = talk(
        [*script(ENVELOPE), (C, b"BDAT 3\r\nabcBDAT 4 LAST\r\ndefg"), (S, b"250 ok\r\n250 OK id=1xVW7m-0001KD-0L\r\n")]
    )
    (message,) = dialogue.transactions
    assert message.octets == 7
    assert message.complete
    assert message.terminator is not None
    assert message.terminator.argument == b"4 LAST"
    assert message.queue_id == b"1xVW7m-0001KD-0L"


def test_content_is_never_kept() -> None:
    dialogue = talk(script(BODY + "C: Subject: topsecret\nC:\nC: topsecret\nC: .\nC: QUIT"))
    assert "topsecret" not in repr(dialogue)
    refused = talk(script(ENVELOPE + "C: DATA\nS: 554 no\nC: Subject: topsecret\nC: topsecret text\nC: ."))
    assert "topsecret" not in repr(refused)
    midway = talk(script("C: topsecret text\nC: topsecret\nC: topsecret\nC: more\nC: .\nS: 250 ok"))
    assert "topsecret" not in repr(midway)


def test_outstanding_oldest_first() -> None:
    dialogue = talk(script(BODY + "C: x\nC: .\nC: QUIT"))
    assert [c.verb for c in dialogue.outstanding] == [DOT, b"QUIT"]
    assert [e.reply is None for e in dialogue.exchanges][-2:] == [True, True]


def test_offsets_are_those_of_the_stream() -> None:
    dialogue = talk(script("S: 220 mx\nC: EHLO x\nS: 250 mx\nC: QUIT"))
    assert [(e.offset, e.end) for e in dialogue.entries if isinstance(e, Command)] == [(0, 8), (8, 14)]
