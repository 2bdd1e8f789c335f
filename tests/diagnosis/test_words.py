"""At which step it was, in words that do not call a refusal an answer."""

from __future__ import annotations

import pytest

from pcapdiag.diagnosis import words
from pcapdiag.model import Side, Stage

C, S = Side.CLIENT, Side.SERVER


@pytest.mark.parametrize(
    ("stage", "owing", "refused", "says"),
    [
        (Stage.RCPT, S, None, "while the reply to RCPT TO was due"),
        (Stage.RCPT, C, None, "after RCPT TO was answered, when the client was to speak"),
        (Stage.RCPT, C, 550, "after RCPT TO was refused with 550, when the client was to speak"),
        (Stage.END_OF_DATA, C, 552, "after the message was refused with 552, when the client was to speak"),
        (Stage.BODY, C, 550, "in the middle of the message, before the final dot"),
        (Stage.OTHER, C, None, "after the last command was answered, when the client was to speak"),
        (Stage.OTHER, None, None, "without anything in it that could be recognised as a step of SMTP or TLS"),
    ],
)
def test_step(stage: Stage, owing: Side | None, refused: int | None, says: str) -> None:
    assert words.step(stage, owing, refused) == says
